//! What people and programs ask of a project and want done with it: one meaning for the command
//! line, the pages and the API.

pub mod course;
pub mod log_window;
pub mod moment;
pub mod run;
pub mod tone;
pub mod words;

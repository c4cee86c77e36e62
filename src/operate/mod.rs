//! What people and programs ask of a project and want done with it: one meaning for the command
//! line, the pages and the API.

pub mod backfill;
pub mod change;
pub mod course;
pub mod dag;
pub mod difference;
pub mod durations;
pub mod engage;
pub mod find;
pub mod log;
pub mod log_window;
mod mistake;
pub mod moment;
pub mod next;
pub mod pause;
pub mod pools;
pub mod rows;
pub mod run;
pub mod shape;
pub mod start;
pub mod tone;
pub mod why;
pub mod why_run;
pub mod words;

pub use mistake::{Mistake, MistakeKind, Trouble, unknown};

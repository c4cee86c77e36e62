//! From YAML text to a checked [`Project`]. Only this room knows that the language is YAML.

mod schedule;
mod yaml;

pub use schedule::{read_schedule, schedule_schema};
pub use yaml::read_yaml;

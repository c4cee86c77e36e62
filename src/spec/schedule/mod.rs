//! `schedule:`: when a DAG runs by itself.

mod cron;
mod dates;
mod read;
#[cfg(test)]
mod tests;

pub use read::{read_schedule, schedule_schema};

//! Schedules.

/// When a DAG runs by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule;

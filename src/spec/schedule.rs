//! Reading schedules.

use crate::document::{Node, Report};
use crate::model::Schedule;

pub fn read_schedule(_: &Node, _: &mut Report) -> Option<Schedule> {
    Some(Schedule)
}

pub fn schedule_schema() -> schemars::Schema {
    schemars::json_schema!(true)
}

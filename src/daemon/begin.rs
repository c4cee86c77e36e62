//! What a run is made of when it begins.

use serde_json::{Map, Value as Json};

use super::clock::random;
use crate::model::{DataInterval, Json as JsonText, RunId, RunSpec, Timestamp, TriggerKind};
use crate::spec::Pipeline;

/// Why and about what a run begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// All parameters of the DAG, bound.
    pub params: Map<String, Json>,
    pub interval: DataInterval,
    pub logical_time: Timestamp,
    pub trigger: TriggerKind,
    /// Added to the priorities of its tasks.
    pub priority: i32,
    /// Names of the tasks that it is limited to.
    pub only: Option<Vec<String>>,
}

/// A run of a pipeline, with an id and a seed drawn by chance.
#[must_use]
pub fn begin(pipeline: &Pipeline, beginning: Beginning, now: Timestamp) -> RunSpec {
    let chance = random();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "20 bits of chance are used"
    )]
    let id = RunId::generate(now, chance as u32);
    RunSpec {
        id,
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        params: JsonText(Json::Object(beginning.params).to_string().into()),
        interval: beginning.interval,
        logical_time: beginning.logical_time,
        trigger: beginning.trigger,
        seed: chance.rotate_left(32),
        priority: beginning.priority,
        only: beginning.only,
        created: now,
    }
}

//! What a run is made of when it begins.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

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
    RunSpec {
        id: run_id(now),
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        params: JsonText(Json::Object(beginning.params).to_string().into()),
        interval: beginning.interval,
        logical_time: beginning.logical_time,
        trigger: beginning.trigger,
        seed: random(),
        priority: beginning.priority,
        only: beginning.only,
        created: now,
    }
}

/// The longest step from one id to the next.
const LONGEST_STEP: u64 = 1 << 20;

/// A run id that this process gives only once, and another one hardly ever. The chance in them goes
/// up from a point drawn once, in steps drawn for each: in one millisecond no two of a million are
/// the same, and all but those around its end sort in the order in which they were given.
fn run_id(now: Timestamp) -> RunId {
    static LAST: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(random()));
    let step = 1 + random() % LONGEST_STEP;
    RunId::generate(now, LAST.fetch_add(step, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_hundred_thousand_runs_of_one_millisecond_have_ids_of_their_own() {
        let now = crate::daemon::clock::now();
        let draw = || (0..25_000).map(|_| run_id(now)).collect::<Vec<_>>();
        let ids: Vec<Vec<RunId>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            let ids = threads.into_iter().map(|thread| thread.join().unwrap());
            ids.collect()
        });
        for ids in &ids {
            let descents = ids.windows(2).filter(|pair| pair[0] > pair[1]);
            assert!(descents.count() <= 1);
        }
        let different: HashSet<&RunId> = ids.iter().flatten().collect();
        assert_eq!(different.len(), 100_000);
    }
}

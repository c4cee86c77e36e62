//! Which run, task or connection a name means.

use anstyle::Style;

use super::context::Context;
use super::look;
use crate::daemon::clock::now;
use crate::model::{DagId, RunState};
pub use crate::operate::find::{look_at, no_run, run_if_any, task, task_of, version};
use crate::store::{RunRow, RunStore};

/// The run that a name means: an id, a unique part of one, `latest`, or a DAG, whose latest run it
/// is then.
pub async fn run(context: &Context, store: &dyn RunStore, name: &str) -> anyhow::Result<RunRow> {
    if let Some(found) = run_if_any(store, name, now()).await? {
        return Ok(found);
    }
    let loaded = context.load()?;
    let read = loaded.project.iter().flat_map(|p| p.pipelines.keys());
    let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    let dags: Vec<&str> = read.map(DagId::as_str).chain(broken).collect();
    Err(no_run(store, name, &dags).await?.into())
}

/// The word and the colour of a run's state.
pub fn state_word(state: RunState, interrupted: bool) -> (&'static str, Style) {
    if interrupted {
        ("interrupted", look::WARN)
    } else {
        (state.as_str(), look::run_state(state))
    }
}

//! Which run, task or connection a name means.

use anstyle::Style;

use super::context::{Context, unknown};
use super::{Mistake, look};
use crate::connection::Connection;
use crate::daemon::clock::now;
use crate::model::{DagId, RunState};
pub use crate::operate::find::{latest_of, look_at, no_run, run_if_any, task, task_of, version};
use crate::spec::Project;
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

/// The connection of a name, seen as `of` takes it; a mistake when it isn't that (`what`: "no
/// database"), and with the nearest name when there is none.
pub fn connection<'a, T>(
    project: &'a Project,
    name: &str,
    what: &str,
    of: impl Fn(&'a dyn Connection) -> Option<T>,
) -> anyhow::Result<T> {
    let connections = &project.settings.connections;
    let Some(connection) = connections.get(name) else {
        let fit = connections
            .iter()
            .filter(|&(_, connection)| of(connection.as_ref()).is_some());
        let names = fit.map(|(id, _)| id.as_str());
        return Err(unknown("connection", name, names).into());
    };
    of(connection.as_ref()).ok_or_else(|| {
        let kind = connection.kind();
        Mistake::new(format!("connection `{name}` ({kind}) is {what}")).into()
    })
}

/// The word and the colour of a run's state.
pub fn state_word(state: RunState, interrupted: bool) -> (&'static str, Style) {
    if interrupted {
        ("interrupted", look::WARN)
    } else {
        (state.as_str(), look::run_state(state))
    }
}

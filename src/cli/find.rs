//! Which run, task or connection a name means.

use anstyle::Style;

use super::context::Context;
use super::{Mistake, look, moment};
use crate::daemon::clock::now;
use crate::model::{DagId, RunState};
pub use crate::operate::find::{look_at, task, version};
use crate::store::{RunFilter, RunRow, RunStore};

/// The word for the latest run of all.
const LATEST: &str = "latest";
/// So many candidates of an ambiguous name are listed.
const CANDIDATES: u32 = 8;

/// The run that a name means: an id, a unique part of one, `latest`, or a DAG, whose latest run it
/// is then.
pub async fn run(context: &Context, store: &dyn RunStore, name: &str) -> anyhow::Result<RunRow> {
    if let Some(found) = run_if_any(store, name).await? {
        return Ok(found);
    }
    let loaded = context.load()?;
    let read = loaded.project.iter().flat_map(|p| p.pipelines.keys());
    let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    let dags: Vec<&str> = read.map(DagId::as_str).chain(broken).collect();
    if name == LATEST {
        let trigger = dags.first().unwrap_or(&"NAME");
        return Err(Mistake::new("there is no run yet")
            .help(format!("`runner trigger {trigger}` makes one"))
            .into());
    }
    if dags.contains(&name) {
        return Err(Mistake::new(format!("DAG `{name}` has no run yet"))
            .help(format!("`runner trigger {name}` makes one"))
            .into());
    }
    let latest = RunFilter {
        limit: 100,
        ..RunFilter::default()
    };
    let runs = store.runs(&latest).await?;
    let ids = runs.iter().map(|run| run.id.as_str());
    let known = dags.into_iter().chain(ids).chain([LATEST]);
    let known: Vec<&str> = known.collect();
    let near = crate::document::nearest(name, known.iter().copied());
    let longer = || known.iter().copied().find(|known| known.contains(name));
    Err(match near.or_else(longer) {
        Some(near) => Mistake::new(format!("there is no run or DAG `{name}`"))
            .help(format!("did you mean `{near}`?")),
        None => Mistake::new(format!("there is no run or DAG `{name}`"))
            .help("`runner runs` lists the runs, `runner list` the DAGs"),
    }
    .into())
}

/// The same, `None` when the name means nothing that has run; a mistake when it is ambiguous.
pub async fn run_if_any(store: &dyn RunStore, name: &str) -> anyhow::Result<Option<RunRow>> {
    let latest = |dag| RunFilter {
        dag,
        limit: 1,
        ..RunFilter::default()
    };
    if name == LATEST {
        return Ok(store.runs(&latest(None)).await?.pop());
    }
    let Ok(dag) = DagId::new(name) else {
        return Ok(None);
    };
    if let Some(row) = store.runs(&latest(Some(dag))).await?.pop() {
        return Ok(Some(row));
    }
    let mut found = store
        .find_runs(&name.to_lowercase(), CANDIDATES + 1)
        .await?;
    if found.len() <= 1 {
        return Ok(found.pop());
    }
    let now = now();
    let more = found.len() > CANDIDATES as usize;
    found.truncate(CANDIDATES as usize);
    let mut lines: Vec<String> = found
        .iter()
        .map(|row| {
            let age = moment::short(row.created, now);
            format!("\n    {}  {}  {}  {age}", row.id, row.dag, row.state)
        })
        .collect();
    if more {
        lines.push("\n    …".to_owned());
    }
    Err(
        Mistake::new(format!("`{name}` is a part of several runs' ids"))
            .help(format!("type more of one of them:{}", lines.concat()))
            .into(),
    )
}

/// The word and the colour of a run's state.
pub fn state_word(state: RunState, interrupted: bool) -> (&'static str, Style) {
    if interrupted {
        ("interrupted", look::WARN)
    } else {
        (state.as_str(), look::run_state(state))
    }
}

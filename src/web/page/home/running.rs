//! What runs now.

use serde::Serialize;

use crate::model::{Outcome, RunState, TaskState, Timestamp};
use crate::operate::find::look_at;
use crate::operate::tone::Tone;
use crate::operate::words::count;
use crate::store::{RunFilter, RunRow, StoreError};
use crate::web::App;
use crate::web::page::frame::Trouble;
use crate::web::page::tasks_of::tasks_of;
use crate::web::page::view;

/// A run that runs now.
#[derive(Serialize)]
pub(super) struct Running {
    id: String,
    dag: String,
    state: view::State,
    progress: String,
}

/// The runs that have not ended, newest first, and whether their process is gone.
pub(super) async fn running(app: &App) -> Result<Vec<(RunRow, bool)>, Trouble> {
    let unfinished = RunFilter {
        states: vec![RunState::Queued, RunState::Running, RunState::Cancelling],
        limit: 200,
        ..RunFilter::default()
    };
    let mut runs = Vec::new();
    for run in app.store.runs(&unfinished).await? {
        let looked = look_at(&app.places.state, app.store.as_ref(), run).await?;
        if !looked.0.state.is_finished() {
            runs.push(looked);
        }
    }
    Ok(runs)
}

/// How far it is.
pub(super) async fn running_of(
    app: &App,
    run: &RunRow,
    interrupted: bool,
    now: Timestamp,
) -> Result<Running, StoreError> {
    let tasks = app.store.task_runs(&run.id).await?;
    let plain = || tasks.iter().filter(|row| row.id.item.is_none());
    let ended = plain().filter(|row| row.state.is_finished()).count();
    let all = match tasks_of(app, run).await? {
        Some(tasks) => tasks.len(),
        None => plain().count(),
    };
    let failed = plain()
        .filter(|row| {
            matches!(
                row.state,
                TaskState::Finished {
                    outcome: Outcome::Failed(_),
                    ..
                }
            )
        })
        .count();
    let mut words = vec![format!(
        "{} of {} tasks",
        count(ended as u64),
        count(all as u64)
    )];
    if failed > 0 {
        words.push(format!("{} failed", count(failed as u64)));
    }
    let took = view::took(run, interrupted, now);
    if !took.is_empty() {
        words.push(format!("for {took}"));
    }
    Ok(Running {
        id: run.id.to_string(),
        dag: run.dag.to_string(),
        state: Tone::of_run(run.state, interrupted).into(),
        progress: words.join(" · "),
    })
}

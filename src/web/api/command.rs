//! What is wanted of a run: cancel, retry, mark.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Body, whole_or_none};
use super::run::now;
use crate::model::Outcome;
use crate::operate::engage::{heard, reread, tell};
use crate::operate::shape::Run;
use crate::operate::{Mistake, change, find};
use crate::store::{CommandKind, RunRow};
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// How long it is waited until the command is heard.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends a run.
pub(super) const CANCEL: Route =
    Route::post("/api/v1/runs/{run}/cancel", Needs::Run, || post(cancel)).about(
        Describe::new(
            "runs",
            "End a run. 202: it was told, and hasn't answered yet",
        )
        .gives(of::<Run>)
        .also(&[202]),
    );

/// Runs again what failed.
pub(super) const RETRY: Route = Route::post("/api/v1/runs/{run}/retry", Needs::Run, || post(retry))
    .about(
        Describe::new(
            "runs",
            "Run again what failed, or some tasks, with all that comes after",
        )
        .takes(of::<Retry>)
        .gives(of::<Run>)
        .also(&[202]),
    );

/// Takes a task's end as decided.
pub(super) const MARK: Route = Route::post("/api/v1/runs/{run}/mark", Needs::Run, || post(mark))
    .about(
        Describe::new("runs", "Take a task's end as decided")
            .takes(of::<Mark>)
            .gives(of::<Run>)
            .also(&[202]),
    );

/// What is to be run again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retry {
    /// Only these tasks and what comes after them; empty: all that failed.
    pub tasks: Vec<String>,
    /// Only this item, counted from 0, of the one task that is named: one that failed.
    #[serde(deserialize_with = "whole_or_none")]
    pub item: Option<u32>,
}

/// Which task has ended how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub task: String,
    pub outcome: MarkedOutcome,
}

/// How a person says that a task has ended.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MarkedOutcome {
    Success,
    Skipped,
    Failed,
}

async fn cancel(State(app): State<Arc<App>>, Path(run): Path<String>) -> Result<Response, Problem> {
    let row = find::run_of_id(app.store.as_ref(), &run).await?;
    if row.state.is_finished() {
        let (id, dag, state) = (&row.id, &row.dag, row.state);
        let detail = format!("run {id} of {dag} has ended already: {state}");
        return Err(Mistake::conflict(detail).into());
    }
    carry_out(&app, row, &CommandKind::Cancel).await
}

async fn retry(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    Body(wanted): Body<Retry>,
) -> Result<Response, Problem> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let version = find::version(store, &row).await?;
    let (command, _) = match (wanted.item, wanted.tasks.as_slice()) {
        (None, tasks) => change::retry(store, &row, &version, tasks).await?,
        (Some(item), [task]) => change::retry_item(store, &row, &version, task, item).await?,
        (Some(_), _) => return Err(Mistake::new("`item` needs one task, in `tasks`").into()),
    };
    carry_out(&app, row, &command).await
}

async fn mark(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    Body(wanted): Body<Mark>,
) -> Result<Response, Problem> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let version = find::version(store, &row).await?;
    let task = find::task(&version, &wanted.task)?;
    let outcome = match wanted.outcome {
        MarkedOutcome::Success => Outcome::Success,
        MarkedOutcome::Skipped => Outcome::Skipped,
        MarkedOutcome::Failed => change::failed_by_person(),
    };
    let command = CommandKind::Mark {
        task,
        outcome: outcome.clone(),
    };
    let id = row.id.clone();
    let answer = carry_out(&app, row, &command).await?;
    if answer.status() == StatusCode::OK && !change::is_so(store, &id, task, &outcome).await? {
        return Err(change::unmarkable(&wanted.task, &id).into());
    }
    Ok(answer)
}

/// Tells whoever carries a run out, and waits a moment until that was heard.
async fn carry_out(app: &App, row: RunRow, wanted: &CommandKind) -> Result<Response, Problem> {
    let store = app.store.as_ref();
    tell(&app.places.state, store, &row, wanted, app.now()).await?;
    let status = if heard(store, &row, wanted, PATIENCE).await? {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let run = now(app, reread(store, &row).await?).await?;
    Ok((status, Json(run)).into_response())
}

//! What the buttons of the pages ask for. They send the same commands as everybody else, and lead
//! back to a page.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use axum::routing::post;
use serde::Deserialize;

use super::frame::Trouble;
use crate::model::{DagId, Outcome};
use crate::operate::engage::{heard, tell};
use crate::operate::{Mistake, change, find, pause};
use crate::store::{CommandKind, RunRow};
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const CANCEL: Route = Route::post("/runs/{run}/cancel", Needs::Run, || post(cancel));
pub(super) const RETRY: Route = Route::post("/runs/{run}/retry", Needs::Run, || post(retry));
pub(super) const MARK: Route = Route::post("/runs/{run}/mark", Needs::Run, || post(mark));
pub(super) const PAUSE: Route = Route::post("/dags/{dag}/pause", Needs::Run, || post(hold));
pub(super) const UNPAUSE: Route = Route::post("/dags/{dag}/unpause", Needs::Run, || post(go_on));

/// How long it is waited until a command is heard, so that the page shows what has come of it.
const PATIENCE: Duration = Duration::from_secs(2);

async fn cancel(State(app): State<Arc<App>>, Path(run): Path<String>) -> Result<Redirect, Trouble> {
    let row = find::run_of_id(app.store.as_ref(), &run).await?;
    if row.state.is_finished() {
        let text = format!("run {} has ended already: {}", row.id, row.state);
        return Err(Mistake::conflict(text).into());
    }
    carry_out(&app, row, &CommandKind::Cancel).await
}

#[derive(Deserialize)]
struct Retry {
    task: Option<String>,
    item: Option<u32>,
}

async fn retry(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    Form(asked): Form<Retry>,
) -> Result<Redirect, Trouble> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let version = find::version(store, &row).await?;
    let tasks: Vec<String> = asked.task.iter().cloned().collect();
    let (command, _) = match (&asked.task, asked.item) {
        (Some(task), Some(item)) => change::retry_item(store, &row, &version, task, item).await?,
        _ => change::retry(store, &row, &version, &tasks).await?,
    };
    carry_out(&app, row, &command).await
}

#[derive(Deserialize)]
struct Mark {
    task: String,
    r#as: String,
}

async fn mark(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    Form(asked): Form<Mark>,
) -> Result<Redirect, Trouble> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let version = find::version(store, &row).await?;
    let task = find::task(&version, &asked.task)?;
    let outcome = match asked.r#as.as_str() {
        "success" => Outcome::Success,
        "skipped" => Outcome::Skipped,
        "failed" => change::failed_by_person(),
        other => {
            return Err(Trouble::Asked(format!(
                "A task can't be marked as {other}."
            )));
        }
    };
    let command = CommandKind::Mark { task, outcome };
    carry_out(&app, row, &command).await
}

/// Tells whoever carries a run out, and waits a moment until that was heard.
async fn carry_out(app: &App, row: RunRow, wanted: &CommandKind) -> Result<Redirect, Trouble> {
    let store = app.store.as_ref();
    tell(&app.places.state, store, &row, wanted, app.now()).await?;
    heard(store, &row, wanted, PATIENCE).await?;
    Ok(Redirect::to(&format!("/runs/{}", row.id)))
}

#[derive(Deserialize)]
struct Switch {
    /// `home`: it was asked for there.
    #[serde(default)]
    back: String,
}

async fn hold(
    State(app): State<Arc<App>>,
    Path(dag): Path<String>,
    Form(switch): Form<Switch>,
) -> Result<Redirect, Trouble> {
    set(&app, &dag, true, &switch).await
}

async fn go_on(
    State(app): State<Arc<App>>,
    Path(dag): Path<String>,
    Form(switch): Form<Switch>,
) -> Result<Redirect, Trouble> {
    set(&app, &dag, false, &switch).await
}

async fn set(app: &App, dag: &str, paused: bool, switch: &Switch) -> Result<Redirect, Trouble> {
    let known = super::dag::Asked::read(app, dag).await?;
    let dag: &DagId = &known.id;
    pause::set(&app.places.state, app.store.as_ref(), dag, paused).await?;
    Ok(Redirect::to(&match (switch.back.as_str(), paused) {
        ("home", true) => format!("/?paused={dag}"),
        ("home", false) => "/".to_owned(),
        _ => format!("/dags/{dag}"),
    }))
}

//! Runs: listed, shown and begun.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::extract::{Body, Search};
use super::{Limit, dag, project};
use crate::daemon::schedule::DaemonLock;
use crate::model::{DagId, RunId, RunSpec, RunState};
use crate::operate::shape::{Attempt, Run, RunWithTasks, run_with_tasks};
use crate::operate::start::{Wanted, hand_over, no_secrets, run_spec};
use crate::operate::{Mistake, Trouble, find};
use crate::store::{Claim, RunFilter, RunRow, StoreError};
use crate::web::describe::{Describe, of};
use crate::web::guard::Detail;
use crate::web::route::{Needs, Route};
use crate::web::{App, Caller, Problem};

/// How long a key gives the same run.
const KEY: TimeDelta = TimeDelta::days(1);

/// All runs.
pub(super) const LIST: Route = Route::get("/api/v1/runs", Needs::Read, || get(list)).about(
    Describe::new("runs", "Runs, newest first")
        .query(&["state", "cursor/run", "limit"])
        .gives(of::<RunList>),
);

/// The runs of a DAG.
pub(super) const OF_DAG: Route =
    Route::get("/api/v1/dags/{dag}/runs", Needs::Read, || get(list_of_dag)).about(
        Describe::new("runs", "The runs of a DAG, newest first")
            .query(&["state", "cursor/run", "limit"])
            .gives(of::<RunList>),
    );

/// Begins a run.
pub(super) const TRIGGER: Route =
    Route::post("/api/v1/dags/{dag}/runs", Needs::Run, || post(trigger)).about(
        Describe::new(
            "runs",
            "Begin a run. With the header `Idempotency-Key` the same request again gives the same \
             run, for a day",
        )
        .takes(of::<Trigger>)
        .created(of::<Run>)
        .also(&[200]),
    );

/// One run.
pub(super) const SHOW: Route = Route::get("/api/v1/runs/{run}", Needs::Read, || get(show))
    .about(Describe::new("runs", "A run with its tasks").gives(of::<RunWithTasks>));

/// Its attempts.
pub(super) const ATTEMPTS: Route =
    Route::get("/api/v1/runs/{run}/attempts", Needs::Read, || get(attempts)).about(
        Describe::new(
            "runs",
            "The attempts of a run that have ended, by when they did",
        )
        .query(&["task"])
        .gives(of::<AttemptList>),
    );

/// A part of all runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RunList {
    pub runs: Vec<Run>,
    /// The `cursor` of the next part.
    pub next: Option<String>,
}

/// All attempts of a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AttemptList {
    pub attempts: Vec<Attempt>,
}

/// What a run is to be like.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Trigger {
    /// Values of the DAG's parameters; the others have their defaults.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// `START/END`, such as `2020-08-20/2020-08-21`; without it the schedule's last complete one.
    pub data_interval: Option<String>,
    /// Only these tasks.
    pub only: Vec<String>,
    /// Only this task and what comes after it.
    pub from: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    state: Option<String>,
    cursor: Option<String>,
    #[serde(default)]
    limit: Limit,
}

async fn list(
    State(app): State<Arc<App>>,
    Search(listed): Search<Listed>,
) -> Result<Json<RunList>, Problem> {
    chosen(&app, None, listed).await
}

async fn list_of_dag(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Search(listed): Search<Listed>,
) -> Result<Json<RunList>, Problem> {
    let id = DagId::new(&name).map_err(|error| Problem::bad(error.to_string()))?;
    let found = chosen(&app, Some(id), listed).await?;
    if found.runs.is_empty() {
        // A DAG of the past may have runs and no file any more.
        let snapshot = app.snapshot();
        dag::pipeline(&snapshot, project(&snapshot)?, &name)?;
    }
    Ok(found)
}

async fn chosen(app: &App, dag: Option<DagId>, listed: Listed) -> Result<Json<RunList>, Problem> {
    let words = listed.state.as_deref().filter(|words| !words.is_empty());
    let words = words.into_iter().flat_map(|words| words.split(','));
    let before = listed.cursor.as_deref().map(RunId::new).transpose();
    let limit = listed.limit.get();
    let filter = RunFilter {
        dag,
        states: words.map(state).collect::<Result<_, _>>()?,
        before: before.map_err(|error| Problem::bad(format!("`cursor`: {error}")))?,
        limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
        ..RunFilter::default()
    };
    let mut rows = app.store.runs(&filter).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        runs.push(now(app, row).await?);
    }
    let last = runs.last().filter(|_| more);
    Ok(Json(RunList {
        next: last.map(|run| run.id.clone()),
        runs,
    }))
}

fn state(word: &str) -> Result<RunState, Problem> {
    const ALL: [RunState; 6] = [
        RunState::Queued,
        RunState::Running,
        RunState::Cancelling,
        RunState::Success,
        RunState::Failed,
        RunState::Cancelled,
    ];
    let found = ALL.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| {
        let names = ALL.map(RunState::as_str).join(", ");
        Problem::bad(format!("`state`: `{word}` isn't one of {names}"))
    })
}

/// A run as it is now.
pub(super) async fn now(app: &App, row: RunRow) -> Result<Run, Problem> {
    let (row, gone) = find::look_at(&app.places.state, app.store.as_ref(), row).await?;
    Ok(Run::new(&row, gone))
}

async fn show(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
) -> Result<Json<RunWithTasks>, Problem> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let (row, gone) = find::look_at(&app.places.state, store, row).await?;
    let version = find::version(store, &row).await?;
    let tasks = store.task_runs(&row.id).await?;
    Ok(Json(run_with_tasks(&row, gone, &version.tasks, &tasks)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTask {
    task: Option<String>,
}

async fn attempts(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    Search(asked): Search<OfTask>,
) -> Result<Json<AttemptList>, Problem> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let version = find::version(store, &row).await?;
    let task = asked.task.as_deref();
    let task = task.map(|task| find::task(&version, task)).transpose()?;
    let rows = store.attempts(&row.id, task).await?;
    let attempts = rows.iter().map(|row| Attempt::new(row, &version.tasks));
    Ok(Json(AttemptList {
        attempts: attempts.collect(),
    }))
}

async fn trigger(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(asked): Body<Trigger>,
) -> Result<Response, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let pipeline = dag::pipeline(&snapshot, project, &name)?;
    let params = pipeline.params.bind_values(&asked.params);
    let params = params.map_err(|errors| Mistake::new(errors.join("; ")))?;
    no_secrets(project, &params)?;
    let wanted = Wanted {
        params,
        interval: asked.data_interval.as_deref(),
        only: &asked.only,
        from: asked.from.as_deref(),
    };
    let mut spec = run_spec(pipeline, wanted, app.now())?;
    if let Some(key) = headers.get("idempotency-key") {
        let key = key
            .to_str()
            .ok()
            .filter(|key| (1..=255).contains(&key.len()));
        let key =
            key.ok_or_else(|| Problem::bad("`Idempotency-Key`: 1 to 255 ASCII characters"))?;
        if let Some(row) = claimed(&app, &caller, key, &name, &asked, &mut spec).await? {
            return answer(&app, row, StatusCode::OK).await;
        }
    }
    let state = &app.places.state;
    let daemon = DaemonLock::holder(state).ok_or_else(Mistake::nobody)?;
    match hand_over(state, app.store.as_ref(), pipeline, &spec, &daemon).await {
        // The same key at the same moment: somebody else has begun the run.
        Ok(_) | Err(Trouble::Store(StoreError::Exists(_))) => {}
        Err(error) => return Err(error.into()),
    }
    let row = find::run_of_id(app.store.as_ref(), spec.id.as_str()).await?;
    answer(&app, row, StatusCode::CREATED).await
}

/// The run that was begun with a key before. Otherwise the run gets the id that the key stands for.
async fn claimed(
    app: &App,
    caller: &Caller,
    key: &str,
    dag: &str,
    asked: &Trigger,
    spec: &mut RunSpec,
) -> Result<Option<RunRow>, Problem> {
    let asked = serde_json::to_string(asked).unwrap_or_default();
    let digest = Sha256::digest(format!("{dag} {asked}"));
    let claim = Claim {
        account: caller.account.clone(),
        key: key.to_owned(),
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        run: spec.id.to_string(),
        at: app.now(),
    };
    let holds = app.accounts.store.claim(&claim, app.now() - KEY).await?;
    if holds.fingerprint != claim.fingerprint {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the `Idempotency-Key` was used for another request",
        ));
    }
    if let Ok(id) = RunId::new(&holds.run) {
        spec.id = id;
    }
    let mut found = app.store.runs_by_id(std::slice::from_ref(&spec.id)).await?;
    Ok(found.pop())
}

async fn answer(app: &App, row: RunRow, status: StatusCode) -> Result<Response, Problem> {
    let run = now(app, row).await?;
    let place = HeaderValue::from_str(&format!("/api/v1/runs/{}", run.id));
    let detail = Detail(format!("run {}", run.id));
    let mut response = (status, Json(run)).into_response();
    if let Ok(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response.extensions_mut().insert(detail);
    Ok(response)
}

//! DAGs: what they are, when they run, and their pause.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{get, put};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, Search};
use super::{Limit, project};
use crate::daemon::schedule::{Look, look};
use crate::model::DagId;
use crate::operate::dag::{Dag, Head};
use crate::operate::moment::utc;
use crate::operate::shape::Run;
use crate::operate::{find, pause, unknown};
use crate::spec::{Pipeline, Project};
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route, Verb};
use crate::web::{App, Problem, Snapshot};

/// All DAGs.
pub(super) const LIST: Route = Route::get("/api/v1/dags", Needs::Read, || get(list)).about(
    Describe::new("dags", "All DAGs with their last run, by name")
        .query(&["tag", "cursor", "limit"])
        .gives(of::<DagList>),
);

/// One DAG.
pub(super) const SHOW: Route = Route::get("/api/v1/dags/{dag}", Needs::Read, || get(show))
    .about(Describe::new("dags", "A DAG with its tasks and parameters").gives(of::<DagWithTasks>));

/// Its pause.
pub(super) const PAUSE: Route =
    Route::new(Verb::Put, "/api/v1/dags/{dag}/paused", Needs::Run, || {
        put(set_paused)
    })
    .about(
        Describe::new("dags", "Hold the schedule of a DAG, or let it go on")
            .takes(of::<Paused>)
            .gives(of::<PausedNow>),
    );

/// A DAG of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DagSummary {
    #[serde(flatten)]
    pub head: Head,
    pub paused: bool,
    /// When it begins by itself next.
    pub next_run: Option<String>,
    pub last_run: Option<Run>,
}

/// A part of all DAGs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DagList {
    pub dags: Vec<DagSummary>,
    /// Files that can't be read; only with the first part.
    pub broken: Vec<BrokenFile>,
    /// The `cursor` of the next part.
    pub next: Option<String>,
}

/// A file with mistakes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct BrokenFile {
    pub path: String,
    /// Its DAG, where that could be read.
    pub dag: Option<String>,
    pub errors: Vec<String>,
}

/// A DAG with all that its file says.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DagWithTasks {
    #[serde(flatten)]
    pub dag: Dag,
    /// How many tasks it has.
    pub task_count: usize,
    pub paused: bool,
    /// When it begins by itself next.
    pub next_run: Option<String>,
    pub last_run: Option<Run>,
}

/// Whether a DAG's schedule is to be held.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paused {
    pub paused: bool,
}

/// Whether a DAG's schedule is held.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct PausedNow {
    pub paused: bool,
    /// It wasn't so before.
    pub changed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    tag: Option<String>,
    cursor: Option<String>,
    #[serde(default)]
    limit: Limit,
}

async fn list(
    State(app): State<Arc<App>>,
    Search(listed): Search<Listed>,
) -> Result<Json<DagList>, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let looked = look(Some(app.store.as_ref()), &project.pipelines, app.now()).await?;
    let limit = listed.limit.get();
    let after = listed.cursor.as_deref();
    let mut chosen = project.pipelines.iter().filter(|(id, pipeline)| {
        let tag = listed.tag.as_ref();
        after.is_none_or(|after| id.as_str() > after)
            && tag.is_none_or(|tag| pipeline.tags.contains(tag))
    });
    let mut dags = Vec::new();
    for (_, pipeline) in chosen.by_ref().take(limit) {
        dags.push(dag(&app, pipeline, &looked).await?);
    }
    let next = chosen.next().is_some();
    Ok(Json(DagList {
        next: dags.last().filter(|_| next).map(|dag| dag.head.dag.clone()),
        broken: if after.is_none() && listed.tag.is_none() {
            broken(&snapshot)
        } else {
            Vec::new()
        },
        dags,
    }))
}

async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<DagWithTasks>, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let pipeline = pipeline(&snapshot, project, &name)?;
    let looked = look(Some(app.store.as_ref()), &project.pipelines, app.now()).await?;
    let summary = dag(&app, pipeline, &looked).await?;
    Ok(Json(DagWithTasks {
        dag: Dag::new(pipeline),
        task_count: summary.head.task_count,
        paused: summary.paused,
        next_run: summary.next_run,
        last_run: summary.last_run,
    }))
}

async fn set_paused(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(wanted): Body<Paused>,
) -> Result<Json<PausedNow>, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    // One that is broken now may be mended while it is paused.
    if !is_broken(&snapshot, &name) {
        pipeline(&snapshot, project, &name)?;
    }
    let dag = DagId::new(&name).map_err(|error| Problem::bad(error.to_string()))?;
    let (state, store) = (&app.places.state, app.store.as_ref());
    Ok(Json(PausedNow {
        paused: wanted.paused,
        changed: pause::set(state, store, &dag, wanted.paused).await?,
    }))
}

/// The DAG of a name, as its file is now.
pub(super) fn pipeline<'a>(
    snapshot: &Snapshot,
    project: &'a Project,
    name: &str,
) -> Result<&'a Arc<Pipeline>, Problem> {
    if let Some(pipeline) = project.pipelines.get(name) {
        return Ok(pipeline);
    }
    if is_broken(snapshot, name) {
        let problem = Problem::new(
            axum::http::StatusCode::CONFLICT,
            format!("the file of DAG `{name}` has mistakes"),
        );
        return Err(problem.help("`runner check` shows them, with their lines"));
    }
    let known = project.pipelines.keys().map(DagId::as_str);
    Err(unknown("DAG", name, known).into())
}

fn is_broken(snapshot: &Snapshot, name: &str) -> bool {
    let mut broken = snapshot.broken.iter();
    broken.any(|(_, dag)| dag.as_deref() == Some(name))
}

async fn dag(app: &App, pipeline: &Pipeline, looked: &Look) -> Result<DagSummary, Problem> {
    let last = find::latest_of(&app.places.state, app.store.as_ref(), &pipeline.id).await?;
    let next = looked.planner.upcoming(&pipeline.id, None).next();
    Ok(DagSummary {
        head: Head::new(pipeline),
        paused: looked.planner.is_paused(&pipeline.id),
        next_run: next.map(|(start, _)| utc(start)),
        last_run: last.map(|(row, gone)| Run::new(&row, gone)),
    })
}

fn broken(snapshot: &Snapshot) -> Vec<BrokenFile> {
    let files = snapshot.broken.iter().map(|(path, dag)| {
        let errors = snapshot.diagnostics.iter().filter(|found| {
            found.severity == crate::document::Severity::Error
                && snapshot.sources.get(found.primary.span.source).path == *path
        });
        BrokenFile {
            path: path.display().to_string(),
            dag: dag.clone(),
            errors: errors.map(|found| found.message.clone()).collect(),
        }
    });
    files.collect()
}

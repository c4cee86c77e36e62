//! The latest failures, with their causes.

use serde::Serialize;

use crate::model::{DagId, RunState, Timestamp};
use crate::operate::shape::cause_of;
use crate::store::{RunFilter, StoreError};
use crate::web::App;
use crate::web::page::tasks_of::tasks_of;
use crate::web::page::template::{Markup, render};
use crate::web::page::view::{self, When};

#[derive(Serialize)]
struct Failures {
    failures: Vec<Failure>,
}

#[derive(Serialize)]
struct Failure {
    run: String,
    dag: String,
    at: When,
    task: Option<String>,
    cause: String,
}

/// The latest runs that failed, each with its first cause.
pub(in crate::web::page) async fn failures(
    app: &App,
    dag: Option<&DagId>,
    limit: u32,
    now: Timestamp,
) -> Result<Markup, StoreError> {
    let failed = RunFilter {
        dag: dag.cloned(),
        states: vec![RunState::Failed],
        limit,
        ..RunFilter::default()
    };
    let mut failures = Vec::new();
    for run in app.store.runs(&failed).await? {
        let tasks = app.store.task_runs(&run.id).await?;
        let first = tasks.iter().find_map(|row| Some((row, cause_of(row)?)));
        let names = tasks_of(app, &run).await?.unwrap_or_default();
        let task = first.and_then(|(row, _)| names.get(row.id.task.get()).cloned());
        failures.push(Failure {
            run: run.id.to_string(),
            dag: run.dag.to_string(),
            at: view::when(run.finished.unwrap_or(run.created), now),
            task,
            cause: first
                .map(|(_, cause)| cause.message.to_string())
                .unwrap_or_default(),
        });
    }
    Ok(render("failures.html", &Failures { failures }))
}

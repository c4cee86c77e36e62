//! Metrics for Prometheus, in its text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::daemon::schedule::{DaemonLock, look};
use crate::engine::plan::Decision;
use crate::model::{DagId, RunState, Timestamp};
use crate::store::RunFilter;
use crate::web::describe::Describe;
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// What Prometheus collects.
pub(super) const SHOW: Route = Route::get("/metrics", Needs::Read, || get(show))
    .about(Describe::new("api", "Metrics for Prometheus").text("text/plain"));

/// Metrics as they are written.
#[derive(Default)]
struct Text {
    text: String,
}

impl Text {
    /// The head of a metric.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string doesn't fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A value. Labels are names, which need no escaping.
    fn value(&mut self, name: &str, labels: &str, value: f64) {
        let _ = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            labels => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }
}

fn number(flag: bool) -> f64 {
    if flag { 1.0 } else { 0.0 }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of ages fit exactly"
)]
fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    (until - from).num_milliseconds() as f64 / 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of our times fit exactly"
)]
fn moment(at: Timestamp) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many")]
fn count(of: usize) -> f64 {
    of as f64
}

async fn show(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Problem> {
    let mut text = Text::default();
    let now = app.now();
    let began = Instant::now();
    let owners = app.store.owners().await?;
    let latency = began.elapsed().as_secs_f64();
    let snapshot = app.snapshot();

    text.head("runner_info", "gauge", "The program's version.");
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    text.value("runner_info", version, 1.0);
    text.head(
        "runner_scheduler_up",
        "gauge",
        "Whether a daemon schedules the project.",
    );
    let daemon = DaemonLock::holder(&app.places.state);
    text.value("runner_scheduler_up", "", number(daemon.is_some()));
    text.head(
        "runner_store_read_seconds",
        "gauge",
        "How long a read of the run state took just now.",
    );
    text.value("runner_store_read_seconds", "", latency);
    text.head(
        "runner_files_broken",
        "gauge",
        "Pipeline files with mistakes.",
    );
    text.value("runner_files_broken", "", count(snapshot.broken.len()));

    let ids: Vec<_> = owners.into_iter().map(|(_, run, _)| run).collect();
    let mut unfinished: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for row in app.store.runs_by_id(&ids).await? {
        *unfinished
            .entry((row.dag.to_string(), row.state.as_str()))
            .or_default() += 1;
    }
    text.head(
        "runner_runs_unfinished",
        "gauge",
        "Runs that have not ended, by state.",
    );
    for ((dag, state), runs) in unfinished {
        let labels = format!("dag=\"{dag}\",state=\"{state}\"");
        text.value("runner_runs_unfinished", &labels, count(runs));
    }
    if let Some(project) = &snapshot.project {
        let looked = look(Some(app.store.as_ref()), &project.pipelines, now).await?;
        let dags: Vec<&DagId> = project.pipelines.keys().collect();
        text.head("runner_dags", "gauge", "DAGs without mistakes.");
        text.value("runner_dags", "", count(dags.len()));
        text.head(
            "runner_dag_paused",
            "gauge",
            "Whether a DAG's schedule is held.",
        );
        for dag in &dags {
            let paused = number(looked.planner.is_paused(dag));
            text.value("runner_dag_paused", &format!("dag=\"{dag}\""), paused);
        }
        text.head(
            "runner_dag_next_run_timestamp_seconds",
            "gauge",
            "When a DAG begins by itself next.",
        );
        for dag in &dags {
            if let Some((start, _)) = looked.planner.upcoming(dag, None).next() {
                let labels = format!("dag=\"{dag}\"");
                text.value(
                    "runner_dag_next_run_timestamp_seconds",
                    &labels,
                    moment(start),
                );
            }
        }
        text.head(
            "runner_dag_lateness_seconds",
            "gauge",
            "For how long a run has been due that hasn't begun.",
        );
        for decision in &looked.due {
            if let Decision::Start { dag, occurrence } = decision {
                let late = seconds(occurrence.tick, now).max(0.0);
                text.value(
                    "runner_dag_lateness_seconds",
                    &format!("dag=\"{dag}\""),
                    late,
                );
            }
        }
        last_runs(&app, &dags, &mut text).await?;
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text.text))
}

/// How the last run of each DAG that is over has ended.
async fn last_runs(app: &App, dags: &[&DagId], text: &mut Text) -> Result<(), Problem> {
    let mut rows = Vec::new();
    for dag in dags {
        let filter = RunFilter {
            dag: Some((*dag).clone()),
            states: vec![RunState::Success, RunState::Failed, RunState::Cancelled],
            limit: 1,
            ..RunFilter::default()
        };
        rows.extend(app.store.runs(&filter).await?);
    }
    text.head(
        "runner_last_run_success",
        "gauge",
        "Whether a DAG's last run that is over succeeded.",
    );
    for row in &rows {
        let labels = format!("dag=\"{}\"", row.dag);
        let good = number(row.state == RunState::Success);
        text.value("runner_last_run_success", &labels, good);
    }
    text.head(
        "runner_last_run_finished_timestamp_seconds",
        "gauge",
        "When it ended.",
    );
    for row in &rows {
        let labels = format!("dag=\"{}\"", row.dag);
        if let Some(at) = row.finished {
            text.value(
                "runner_last_run_finished_timestamp_seconds",
                &labels,
                moment(at),
            );
        }
    }
    text.head(
        "runner_last_run_duration_seconds",
        "gauge",
        "How long it took.",
    );
    for row in &rows {
        let labels = format!("dag=\"{}\"", row.dag);
        if let Some((started, finished)) = row.started.zip(row.finished) {
            text.value(
                "runner_last_run_duration_seconds",
                &labels,
                seconds(started, finished),
            );
        }
    }
    text.head(
        "runner_last_run_queued_seconds",
        "gauge",
        "How long it waited before its first task.",
    );
    for row in &rows {
        let labels = format!("dag=\"{}\"", row.dag);
        if let Some(started) = row.started {
            text.value(
                "runner_last_run_queued_seconds",
                &labels,
                seconds(row.created, started),
            );
        }
    }
    Ok(())
}

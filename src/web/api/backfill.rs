//! Runs for intervals of the past.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::extract::{Body, whole};
use super::{dag, project};
use crate::daemon::NewRun;
use crate::daemon::schedule::DaemonLock;
use crate::document::units::parse_duration;
use crate::operate::backfill::{Due, Feed, Plan, Reprocess, Span, intervals, plan};
use crate::operate::shape::Interval;
use crate::operate::start::no_secrets;
use crate::operate::{Mistake, Trouble};
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// Between two looks at runs that the daemon carries out.
const LOOK: Duration = Duration::from_millis(250);
/// So many intervals are listed in an answer.
const LISTED: usize = 10_000;

/// Runs a DAG for intervals of the past.
pub(super) const POST: Route = Route::post("/api/v1/dags/{dag}/backfills", Needs::Run, || {
    post(begin)
})
.about(
    Describe::new(
        "runs",
        "Run a DAG for intervals of the past. `dry_run` only tells what would become of them. The \
             rest is given to the daemon by this server as it goes on: the same request again goes \
             on where it was left",
    )
    .takes(of::<Backfill>)
    .accepted(of::<BackfillPlan>)
    .also(&[200]),
);

/// Which intervals.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Backfill {
    /// The first moment of the data: a day of the schedule's time zone, or a time.
    pub from: String,
    /// Where the data ends; this moment isn't part of it.
    pub to: String,
    /// Intervals of this length, such as `1d`, instead of the schedule's own.
    #[serde(default)]
    pub every: Option<String>,
    /// Most runs at a time.
    #[serde(default = "one", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 100, default = 1)]
    pub parallel: u16,
    /// Which of those that have a run already are run again.
    #[serde(default)]
    pub reprocess: Again,
    /// Values of the DAG's parameters; the others have their defaults.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Begin nothing.
    #[serde(default)]
    pub dry_run: bool,
}

fn one() -> u16 {
    1
}

/// Which intervals that have a run are run again.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Again {
    /// None.
    #[default]
    Missing,
    /// Those whose run failed or was cancelled.
    Failed,
    /// All.
    All,
}

/// What becomes of the intervals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackfillPlan {
    /// How many begin.
    pub begins: usize,
    /// How many there are.
    pub total: usize,
    /// The first ten thousand, oldest first.
    pub intervals: Vec<BackfillInterval>,
}

/// An interval and what becomes of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackfillInterval {
    #[serde(flatten)]
    pub interval: Interval,
    /// `begins`, `goes_on`, `running`, or the state of the run that it has.
    pub fate: &'static str,
    /// The run that begins or goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

async fn begin(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(asked): Body<Backfill>,
) -> Result<(StatusCode, Json<BackfillPlan>), Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let pipeline = dag::pipeline(&snapshot, project, &name)?;
    if !(1..=100).contains(&asked.parallel) {
        return Err(Problem::bad("`parallel` is from 1 to 100"));
    }
    let params = pipeline.params.bind_values(&asked.params);
    let params = params.map_err(|errors| Mistake::new(errors.join("; ")))?;
    no_secrets(project, &params)?;
    let every = asked.every.as_deref().map(parse_duration).transpose();
    let span = Span {
        from: &asked.from,
        to: &asked.to,
        every: every.map_err(|error| Mistake::new(format!("`every`: {error}")))?,
    };
    let reprocess = match asked.reprocess {
        Again::Missing => Reprocess::Missing,
        Again::Failed => Reprocess::Failed,
        Again::All => Reprocess::All,
    };
    let (state, store) = (&app.places.state, app.store.as_ref());
    let intervals = intervals(pipeline, span)?;
    let plan = plan(store, state, pipeline, intervals, reprocess).await?;
    if asked.dry_run {
        return Ok((StatusCode::OK, Json(told(&plan, &VecDeque::new()))));
    }
    let daemon = DaemonLock::holder(state).ok_or_else(Mistake::nobody)?;
    let runs = plan.runs(pipeline, &params);
    let answer = Json(told(&plan, &runs));
    let feed = Feed::begin(store, daemon, &plan, runs, usize::from(asked.parallel)).await?;
    go_on(app.clone(), name, feed);
    Ok((StatusCode::ACCEPTED, answer))
}

/// Gives the daemon one run after the other, as long as this process lives.
pub(in crate::web) fn go_on(app: Arc<App>, dag: String, feed: Feed) {
    tokio::spawn(async move {
        if let Err(error) = give(&app, feed).await {
            tracing::error!(dag, %error, "the backfill isn't over");
        }
    });
}

async fn give(app: &App, mut feed: Feed) -> Result<(), Trouble> {
    let (state, store) = (&app.places.state, app.store.as_ref());
    while feed.give(state, store).await? {
        tokio::time::sleep(LOOK).await;
        feed.look(state, store).await?;
    }
    Ok(())
}

/// The plan, with the runs that it begins.
fn told(plan: &Plan, begun: &VecDeque<NewRun>) -> BackfillPlan {
    let mut begun = begun.iter().map(|run| run.spec.id.to_string());
    let mut go_on = plan.interrupted.iter().map(|row| row.id.to_string());
    let intervals = plan.due.iter().take(LISTED);
    BackfillPlan {
        begins: plan.count(|due| due == Due::Begins),
        total: plan.due.len(),
        intervals: intervals
            .map(|(interval, due)| BackfillInterval {
                interval: (*interval).into(),
                fate: match due {
                    Due::Begins => "begins",
                    Due::GoesOn => "goes_on",
                    Due::IsOn => "running",
                    Due::Has(state) => state.as_str(),
                },
                run: match due {
                    Due::Begins => begun.next(),
                    Due::GoesOn => go_on.next(),
                    Due::IsOn | Due::Has(_) => None,
                },
            })
            .collect(),
    }
}

//! Runs for intervals of the past: first what it would do, then doing it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::dag::{Asked as Dag, Tab, head};
use super::frame::{Page, Place, Trouble, Visitor};
use super::template::{Markup, render};
use super::trigger::told;
use super::view;
use crate::daemon::schedule::DaemonLock;
use crate::document::units::parse_duration;
use crate::operate::backfill::{Due, Feed, Plan, Reprocess, Span, intervals, plan};
use crate::operate::tone::Tone;
use crate::operate::words::{count, plural};
use crate::operate::{Mistake, Trouble as Operated, moment};
use crate::spec::Pipeline;
use crate::web::route::{Needs, Route};
use crate::web::{App, api};

pub(super) const FORM: Route = Route::get("/dags/{dag}/backfill", Needs::Run, || get(form));
pub(super) const BEGIN: Route = Route::post("/dags/{dag}/backfill", Needs::Run, || post(begin));

/// Intervals that are listed.
const LISTED: usize = 200;

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Asked {
    from: String,
    to: String,
    every: String,
    /// `missing`, `failed` or `all`.
    again: String,
    parallel: String,
}

impl Asked {
    async fn plan(&self, app: &App, pipeline: &Pipeline) -> Result<Plan, Operated> {
        let every = (!self.every.trim().is_empty()).then(|| parse_duration(self.every.trim()));
        let span = Span {
            from: self.from.trim(),
            to: self.to.trim(),
            every: every.transpose().map_err(Mistake::new)?,
        };
        let again = match self.again.as_str() {
            "failed" => Reprocess::Failed,
            "all" => Reprocess::All,
            _ => Reprocess::Missing,
        };
        let intervals = intervals(pipeline, span)?;
        let store = app.store.as_ref();
        plan(store, &app.places.state, pipeline, intervals, again).await
    }

    fn parallel(&self) -> usize {
        self.parallel.trim().parse().unwrap_or(1).clamp(1, 100)
    }
}

#[derive(Serialize)]
struct View<'a> {
    head: Markup,
    id: String,
    csrf: &'a str,
    asked: &'a Asked,
    problem: Option<String>,
    planned: bool,
    summary: String,
    begins: usize,
    rows: Vec<Row>,
    left_out: usize,
    nobody: bool,
}

#[derive(Serialize)]
struct Row {
    start: String,
    end: String,
    fate: &'static str,
    state: Option<view::State>,
}

async fn form(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let known = Dag::read(&app, &dag).await?;
    let pipeline = known.require()?;
    let wanted = !asked.from.is_empty() && !asked.to.is_empty();
    let (plan, problem) = if wanted {
        match asked.plan(&app, pipeline).await {
            Ok(plan) => (Some(plan), None),
            Err(Operated::Mistake(mistake)) => (None, Some(told(&mistake))),
            Err(other) => return Err(other.into()),
        }
    } else {
        (None, None)
    };
    let due = plan
        .as_ref()
        .map(|plan| plan.due.as_slice())
        .unwrap_or_default();
    let begins = due.iter().filter(|(_, due)| *due == Due::Begins).count();
    let view = View {
        head: head(&app, &known, &visitor, Tab::Backfill),
        id: known.id.to_string(),
        csrf: &visitor.csrf,
        asked: &asked,
        problem,
        planned: plan.is_some(),
        summary: format!(
            "{} of {} begin",
            count(begins as u64),
            plural(due.len(), "interval", "intervals")
        ),
        begins,
        rows: due.iter().take(LISTED).map(row).collect(),
        left_out: due.len().saturating_sub(LISTED),
        nobody: DaemonLock::holder(&app.places.state).is_none(),
    };
    let title = format!("Backfill {}", known.id);
    let page = Page {
        title: &title,
        place: Place::Dags,
        live: None,
        body: render("backfill.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

fn row((interval, due): &(crate::model::DataInterval, Due)) -> Row {
    let (fate, state) = match due {
        Due::Begins => ("begins", None),
        Due::GoesOn => ("goes on", None),
        Due::IsOn => ("runs now", None),
        Due::Has(state) => ("has run", Some(Tone::of_run(*state, false).into())),
    };
    Row {
        start: moment::utc(interval.start),
        end: moment::utc(interval.end),
        fate,
        state,
    }
}

async fn begin(
    State(app): State<Arc<App>>,
    Path(dag): Path<String>,
    Form(asked): Form<Asked>,
) -> Result<Response, Trouble> {
    let known = Dag::read(&app, &dag).await?;
    let pipeline = known.require()?;
    let plan = asked.plan(&app, pipeline).await?;
    let params = pipeline.params.bind(&[]);
    let params = params.map_err(|errors| Mistake::new(errors.join("; ")))?;
    let daemon = DaemonLock::holder(&app.places.state).ok_or_else(Mistake::nobody)?;
    let runs = plan.runs(pipeline, &params);
    let store = app.store.as_ref();
    let feed = Feed::begin(store, daemon, &plan, runs, asked.parallel()).await?;
    api::go_on(app.clone(), dag.clone(), feed);
    Ok(Redirect::to(&format!("/runs?q={dag}")).into_response())
}

//! The past of a DAG: how long its runs took, which tasks are slow, on which days it failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use chrono::NaiveDate;
use serde::Serialize;

use super::dag::{Asked, Tab, has_ended, head, latest};
use super::frame::{Page, Place, Trouble, Visitor};
use super::home::bar;
use super::tasks_of::tasks_of;
use super::template::{Markup, markup, render};
use crate::document::units::format_duration;
use crate::model::{DagId, RunState, TaskState};
use crate::operate::moment;
use crate::operate::tone::Tone;
use crate::operate::words::{count, plural};
use crate::store::{RunRow, StoreError};
use crate::web::App;
use crate::web::draw::{Bar, Day, bars, calendar};
use crate::web::route::{Needs, Route};

pub(super) const PAST: Route = Route::get("/dags/{dag}/past", Needs::Read, || get(past));

/// Runs that the calendar is made of.
const RUNS: u32 = 1500;
const WEEKS: u32 = 26;
/// Runs that are drawn, and those whose tasks are looked at.
const DRAWN: usize = 80;
const TASKS_OF: usize = 20;

#[derive(Serialize)]
struct View {
    head: Markup,
    runs: usize,
    bars: Markup,
    /// What is said of the durations.
    durations: String,
    /// Share and success of the runs.
    ends: String,
    calendar: Markup,
    calendar_note: String,
    tasks: Vec<Task>,
    slow: Option<String>,
    looked_at: usize,
}

#[derive(Serialize)]
struct Task {
    name: String,
    middle: String,
    longest: String,
    share: Markup,
    failed: usize,
}

async fn past(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
) -> Result<Response, Trouble> {
    let asked = Asked::read(&app, &dag).await?;
    let runs = latest(&app, &asked.id, RUNS).await?;
    let shown: Vec<&RunRow> = runs.iter().take(DRAWN).rev().collect();
    let drawn: Vec<Bar> = shown.iter().map(|run| bar(run, false, asked.now)).collect();
    let mut took: Vec<Duration> = shown
        .iter()
        .filter(|run| run.state == RunState::Success)
        .filter_map(|run| (run.finished? - run.started?).to_std().ok())
        .collect();
    took.sort_unstable();
    let (tasks, slow, looked_at) = tasks(&app, &runs).await?;
    let view = View {
        head: head(&app, &asked, &visitor, Tab::Past),
        runs: runs.len(),
        bars: markup(bars(&drawn, (11.0, 110.0), shown.len())),
        durations: durations(&took),
        ends: ends(&runs),
        calendar: markup(calendar(
            &days(&runs),
            moment::local(asked.now).date_naive(),
            WEEKS,
        )),
        calendar_note: if runs.len() == RUNS as usize {
            format!("The latest {} runs only.", count(u64::from(RUNS)))
        } else {
            String::new()
        },
        tasks,
        slow,
        looked_at,
    };
    let title = format!("{} past", asked.id);
    let page = Page {
        title: &title,
        place: Place::Dags,
        live: None,
        body: render("past.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

fn durations(took: &[Duration]) -> String {
    let (Some(first), Some(last)) = (took.first(), took.last()) else {
        return "No run has succeeded yet.".to_owned();
    };
    let middle = took[took.len() / 2];
    let most = took[(took.len() * 95 / 100).min(took.len() - 1)];
    format!(
        "successes took {} to {}, half of them at most {}, 95 in 100 at most {}",
        format_duration(*first),
        format_duration(*last),
        format_duration(middle),
        format_duration(most)
    )
}

fn ends(runs: &[RunRow]) -> String {
    let ended = runs.iter().filter(|run| has_ended(run)).count();
    let failed = runs.iter().filter(|run| run.state == RunState::Failed);
    format!(
        "{} of {} failed",
        count(failed.count() as u64),
        plural(ended, "run", "runs")
    )
}

/// What happened on each day, on the clock of this machine.
fn days(runs: &[RunRow]) -> BTreeMap<NaiveDate, Day> {
    let mut days: BTreeMap<NaiveDate, Vec<&RunRow>> = BTreeMap::new();
    for run in runs {
        let day = moment::local(run.created).date_naive();
        days.entry(day).or_default().push(run);
    }
    let day = |runs: Vec<&RunRow>| {
        let tones = runs.iter().map(|run| Tone::of_run(run.state, false));
        let failed = runs.iter().filter(|run| run.state == RunState::Failed);
        let mut title = plural(runs.len(), "run", "runs");
        let failed = failed.count();
        if failed > 0 {
            title.push_str(&format!(", {} failed", count(failed as u64)));
        }
        Day {
            tone: tones.min().unwrap_or(Tone::Success),
            title,
        }
    };
    days.into_iter().map(|(at, runs)| (at, day(runs))).collect()
}

/// The slowest task of a DAG's latest runs, in words; `None`: there is none to name.
pub(super) async fn slowest(app: &App, dag: &DagId) -> Result<Option<String>, StoreError> {
    let runs = latest(app, dag, u32::try_from(TASKS_OF).unwrap_or(u32::MAX)).await?;
    Ok(tasks(app, &runs).await?.1)
}

/// How long the tasks of the latest runs took, the slowest first.
async fn tasks(
    app: &App,
    runs: &[RunRow],
) -> Result<(Vec<Task>, Option<String>, usize), StoreError> {
    let ended: Vec<&RunRow> = runs
        .iter()
        .filter(|run| has_ended(run))
        .take(TASKS_OF)
        .collect();
    let mut took: BTreeMap<String, (Vec<Duration>, usize)> = BTreeMap::new();
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for run in &ended {
        if !versions.contains_key(run.version.as_str()) {
            let names = tasks_of(app, run).await?.unwrap_or_default();
            versions.insert(&run.version, names);
        }
        let names = &versions[run.version.as_str()];
        for row in app.store.task_runs(&run.id).await? {
            let Some(name) = names.get(row.id.task.get()) else {
                continue;
            };
            let own = took.entry(name.clone()).or_default();
            own.1 += usize::from(Tone::of_task(&row.state, false) == Tone::Failed);
            if let (Some(started), TaskState::Finished { at, .. }) = (row.started, &row.state) {
                own.0.extend((*at - started).to_std());
            }
        }
    }
    let mut middles: Vec<(String, Duration, Duration, usize)> = took
        .into_iter()
        .filter(|(_, (took, _))| !took.is_empty())
        .map(|(name, (mut took, failed))| {
            took.sort_unstable();
            (name, took[took.len() / 2], took[took.len() - 1], failed)
        })
        .collect();
    middles.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let total: f64 = middles.iter().map(|one| one.1.as_secs_f64()).sum();
    let slow = middles
        .first()
        .filter(|_| middles.len() > 1)
        .map(|slowest| {
            let share = slowest.1.as_secs_f64() / total.max(0.001) * 100.0;
            format!(
                "{} is the slowest: {share:.0} % of all the time that tasks take",
                slowest.0
            )
        });
    let longest = middles
        .first()
        .map_or(0.001, |one| one.1.as_secs_f64())
        .max(0.001);
    let tasks = middles.into_iter().map(|(name, middle, most, failed)| Task {
        share: markup(format!(
            r#"<svg class="lane s-next" width="100%" height="12" aria-hidden="true"><rect width="{:.1}%" height="10" y="1"/></svg>"#,
            middle.as_secs_f64() / longest * 100.0
        )),
        name,
        middle: format_duration(middle),
        longest: format_duration(most),
        failed,
    });
    Ok((tasks.collect(), slow, ended.len()))
}

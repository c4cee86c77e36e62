//! `runner next`: what will run when.

use std::io::Write as _;
use std::sync::Arc;

use chrono_tz::Tz;
use serde_json::{Value as Json, json};

use super::arguments::{Format, Next};
use super::context::{Context, runtime, unknown};
use super::table::{self, Cell, Column};
use super::{exit, look, moment, output};
use crate::daemon::clock::now;
use crate::daemon::schedule::{DaemonLock, Look, look as look_ahead};
use crate::model::{DagId, Schedule, Timestamp};
use crate::operate::next::{Coming, Other, coming, other};
use crate::spec::{Pipeline, Project};

/// So many runs are shown when nobody says how many.
const COUNT: usize = 10;
/// And no more than so many, whoever says what.
const MOST: usize = 10_000;

const COLUMNS: [Column<'_>; 6] = [
    Column::left("starts"),
    Column::left("UTC"),
    Column::left(""),
    Column::left("DAG").shrinking(),
    Column::left("on its clock"),
    Column::left("data since (UTC)").optional(),
];

pub fn run(context: &Context, command: &Next) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    let pipelines = chosen(&project, &command.dag)?;
    let now = now();
    let from = command.from.map(|from| from.after(now));
    let begin = from.unwrap_or(now);
    let looked = runtime()?.block_on(looked(context, &project, now))?;
    let until = command.until.map(|until| until.after(begin));
    let count = command
        .count
        .unwrap_or(if until.is_some() { MOST } else { COUNT });
    // A tick at that very moment is one to come.
    let after = from.map(|from| from - chrono::TimeDelta::microseconds(1));
    let coming = coming(&looked, &pipelines, after, until, count.min(MOST));
    let mut out = output::stdout();
    if command.format == Format::Json {
        let runs: Vec<Json> = coming.iter().map(Coming::json).collect();
        let others = pipelines
            .iter()
            .filter_map(|pipeline| other(&looked, pipeline));
        let others: Vec<Json> = others.map(|other| other.json()).collect();
        writeln!(out, "{:#}", json!({ "runs": runs, "others": others }))?;
        out.flush()?;
        return Ok(exit::OK);
    }
    let rows: Vec<Vec<Cell>> = coming
        .iter()
        .map(|coming| row(coming, &project, begin, from.is_none()))
        .collect();
    let faint = look::FAINT;
    if rows.is_empty() {
        writeln!(out, "{faint}nothing runs by the clock{faint:#}")?;
    } else {
        let mut columns = COLUMNS;
        if coming.iter().all(|coming| is_utc(coming.start)) {
            columns[0].name = "starts (UTC)";
        }
        table::print(&mut out, &columns, &rows, output::columns())?;
    }
    print_others(&mut out, &looked, &pipelines, !command.dag.is_empty())?;
    if from.is_none() && !coming.is_empty() && DaemonLock::holder(&context.places.state).is_none() {
        writeln!(
            out,
            "\n{faint}no daemon is here to begin them: runner schedule{faint:#}"
        )?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// The pipelines of these names; all without any.
pub fn chosen(project: &Project, names: &[String]) -> anyhow::Result<Vec<Arc<Pipeline>>> {
    if names.is_empty() {
        return Ok(project.pipelines.values().cloned().collect());
    }
    let find = |name: &String| {
        let found = project.pipelines.get(name.as_str()).cloned();
        let known = project.pipelines.keys().map(DagId::as_str);
        found.ok_or_else(|| unknown("DAG", name, known).into())
    };
    names.iter().map(find).collect()
}

/// The planner as it is now.
pub async fn looked(context: &Context, project: &Project, now: Timestamp) -> anyhow::Result<Look> {
    let store = context.store_if_any().await?;
    let looked = look_ahead(store.as_deref(), &project.pipelines, now).await;
    if let Some(store) = store {
        store.close().await;
    }
    Ok(looked?)
}

fn row(coming: &Coming, project: &Project, now: Timestamp, ahead: bool) -> Vec<Cell> {
    let local = moment::planned(coming.start, now);
    let utc = short_utc(coming.start);
    // Once is enough.
    let same = is_utc(coming.start);
    let pipeline = project.pipelines.get(&coming.dag);
    let zone = pipeline.and_then(|pipeline| zone_of(pipeline, coming.occurrence.tick));
    let clock = zone.map_or_else(String::new, |zone| {
        let tick = coming.occurrence.tick.with_timezone(&zone);
        format!("{} {}", tick.format("%H:%M %Z"), zone.name())
    });
    let start = coming.occurrence.interval_start;
    vec![
        Cell::plain(local),
        Cell::styled(if same { String::new() } else { utc }, look::FAINT),
        Cell::styled(
            if ahead {
                moment::ahead(coming.start, now)
            } else {
                String::new()
            },
            look::FAINT,
        ),
        Cell::styled(coming.dag.as_str(), look::BOLD),
        Cell::plain(clock),
        Cell::styled(short_utc(start), look::FAINT),
    ]
}

/// Whether this machine's clock shows UTC at a moment.
fn is_utc(at: Timestamp) -> bool {
    moment::local(at).naive_local() == at.naive_utc()
}

/// `2026-03-29 01:00`, with seconds where it has some.
fn short_utc(at: Timestamp) -> String {
    let form = if at.timestamp() % 60 == 0 {
        "%Y-%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    at.format(form).to_string()
}

/// The zone of the clock that makes a tick, unless that is UTC.
fn zone_of(pipeline: &Pipeline, tick: Timestamp) -> Option<Tz> {
    let before = tick - chrono::TimeDelta::microseconds(1);
    let clocks = pipeline.schedule.iter().flat_map(Schedule::clocks);
    let mut making = clocks.filter(|clock| clock.next_after(before) == Some(tick));
    making
        .next()
        .map(|clock| clock.timezone)
        .filter(|zone| *zone != Tz::UTC)
}

fn print_others(
    out: &mut dyn std::io::Write,
    looked: &Look,
    pipelines: &[Arc<Pipeline>],
    all: bool,
) -> std::io::Result<()> {
    let others: Vec<Other<'_>> = pipelines
        .iter()
        .filter_map(|pipeline| other(looked, pipeline))
        .filter(|other| all || other.word != "by hand")
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let rows: Vec<Vec<Cell>> = others
        .iter()
        .map(|other| {
            let style = match other.word {
                "paused" => look::WARN,
                _ => look::FAINT,
            };
            vec![
                Cell::styled(other.word, style),
                Cell::styled(other.dag.as_str(), look::BOLD),
                Cell::styled(other.words.clone(), look::FAINT),
            ]
        })
        .collect();
    let columns = [
        Column::left("not by the clock"),
        Column::left("DAG").shrinking(),
        Column::left("").optional(),
    ];
    table::print(out, &columns, &rows, output::columns())
}

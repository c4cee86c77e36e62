//! `runner next`: what will run when.

use std::io::Write as _;
use std::sync::Arc;

use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::arguments::{Format, Next};
use super::context::{Context, runtime, unknown};
use super::table::{self, Cell, Column};
use super::{exit, look, moment, output};
use crate::daemon::clock::now;
use crate::daemon::schedule::{DaemonLock, Look, look as look_ahead};
use crate::engine::plan::{Cause, Occurrence};
use crate::model::{DagId, DataInterval, Timestamp};
use crate::operate::next::{Coming, Other, coming, other};
use crate::remote::Server;
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
    let now = now();
    let from = command.from.map(|from| from.after(now));
    let begin = from.unwrap_or(now);
    let until = command.until.map(|until| until.after(begin));
    let count = command
        .count
        .unwrap_or(if until.is_some() { MOST } else { COUNT });
    let asked = Asked {
        from,
        until,
        count: count.min(MOST),
    };
    let ahead = match &context.server {
        Some(server) => runtime()?.block_on(there(server, command, asked))?,
        None => here(context, command, asked, now)?,
    };
    let mut out = output::stdout();
    if command.format == Format::Json {
        let runs: Vec<Json> = ahead.runs.iter().map(Coming::json).collect();
        let others: Vec<Json> = ahead.others.iter().map(Other::json).collect();
        writeln!(out, "{:#}", json!({ "runs": runs, "others": others }))?;
        out.flush()?;
        return Ok(exit::OK);
    }
    let rows = ahead.runs.iter();
    let rows: Vec<Vec<Cell>> = rows
        .map(|coming| row(coming, begin, from.is_none()))
        .collect();
    let faint = look::FAINT;
    if rows.is_empty() {
        writeln!(out, "{faint}nothing runs by the clock{faint:#}")?;
    } else {
        let mut columns = COLUMNS;
        if ahead.runs.iter().all(|coming| is_utc(coming.start)) {
            columns[0].name = "starts (UTC)";
        }
        table::print(&mut out, &columns, &rows, output::columns())?;
    }
    print_others(&mut out, &ahead.others, !command.dag.is_empty())?;
    if from.is_none() && !ahead.runs.is_empty() && !ahead.daemon {
        writeln!(
            out,
            "\n{faint}no daemon is here to begin them: runner schedule{faint:#}"
        )?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// From when to when, and how many.
#[derive(Debug, Clone, Copy)]
struct Asked {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    count: usize,
}

/// What is to come.
struct Ahead {
    runs: Vec<Coming>,
    others: Vec<Other>,
    /// Somebody is there to begin them.
    daemon: bool,
}

fn here(context: &Context, command: &Next, asked: Asked, now: Timestamp) -> anyhow::Result<Ahead> {
    let (project, _) = context.project()?;
    let pipelines = chosen(&project, &command.dag)?;
    let looked = runtime()?.block_on(looked(context, &project, now))?;
    // A tick at that very moment is one to come.
    let after = asked
        .from
        .map(|from| from - chrono::TimeDelta::microseconds(1));
    let others = pipelines.iter();
    Ok(Ahead {
        runs: coming(&looked, &pipelines, after, asked.until, asked.count),
        others: others
            .filter_map(|pipeline| other(&looked, pipeline))
            .collect(),
        daemon: DaemonLock::holder(&context.places.state).is_some(),
    })
}

/// What a server tells.
#[derive(Debug, Deserialize)]
struct Told {
    runs: Vec<ToldRun>,
    others: Vec<ToldOther>,
    daemon: bool,
}

#[derive(Debug, Deserialize)]
struct ToldRun {
    dag: DagId,
    start: Timestamp,
    tick: Timestamp,
    timezone: Option<Tz>,
    data_interval: DataInterval,
}

#[derive(Debug, Deserialize)]
struct ToldOther {
    dag: DagId,
    start: String,
    detail: String,
}

async fn there(server: &Server, command: &Next, asked: Asked) -> anyhow::Result<Ahead> {
    let mut query = vec![("limit", asked.count.to_string())];
    query.extend((!command.dag.is_empty()).then(|| ("dag", command.dag.join(","))));
    query.extend(asked.from.map(|from| ("from", moment::utc(from))));
    query.extend(asked.until.map(|until| ("until", moment::utc(until))));
    let json = server.get(&["next"], &query).await?;
    let told: Told = server.read(&json)?;
    let runs = told.runs.into_iter().map(|run| Coming {
        start: run.start,
        dag: run.dag,
        occurrence: Occurrence {
            tick: run.tick,
            interval_start: run.data_interval.start,
            interval_end: run.data_interval.end,
            cause: Cause::default(),
        },
        zone: run.timezone,
    });
    let others = told.others.into_iter().map(|other| Other {
        dag: other.dag,
        word: other.start,
        words: other.detail,
    });
    Ok(Ahead {
        runs: runs.collect(),
        others: others.collect(),
        daemon: told.daemon,
    })
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

fn row(coming: &Coming, now: Timestamp, ahead: bool) -> Vec<Cell> {
    let local = moment::planned(coming.start, now);
    let utc = short_utc(coming.start);
    // Once is enough.
    let same = is_utc(coming.start);
    let zone = coming.zone.filter(|zone| *zone != Tz::UTC);
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

fn print_others(out: &mut dyn std::io::Write, others: &[Other], all: bool) -> std::io::Result<()> {
    let others = others.iter();
    let others: Vec<&Other> = others
        .filter(|other| all || other.word != "by hand")
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let rows: Vec<Vec<Cell>> = others
        .iter()
        .map(|other| {
            let style = match other.word.as_str() {
                "paused" => look::WARN,
                _ => look::FAINT,
            };
            vec![
                Cell::styled(other.word.clone(), style),
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

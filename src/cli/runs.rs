//! `runner runs`: runs, newest first.

use std::io::Write as _;

use serde_json::Value as Json;

use super::arguments::{Format, Runs, StateWord};
use super::context::{Context, runtime, unknown};
use super::table::{self, Cell, Column};
use super::watch::params_text;
use super::{exit, find, look, moment, output};
use crate::daemon::clock::now;
use crate::daemon::trigger_word;
use crate::model::{DagId, RunState, Timestamp, TriggerKind};
use crate::operate::shape;
use crate::remote::Server;
use crate::store::{RunFilter, RunRow, RunStore};

/// So many are asked for at a time.
const PART: usize = 1000;

const COLUMNS: &[Column<'_>] = &[
    Column::left("run"),
    Column::left("DAG").shrinking(),
    Column::left("state"),
    Column::left("created"),
    Column::right("took"),
    Column::left("trigger").shrinking(),
    Column::left("params").optional(),
];

pub fn run(context: &Context, command: &Runs) -> anyhow::Result<u8> {
    let found = runtime()?.block_on(async {
        if let Some(server) = &context.server {
            return there(server, command).await;
        }
        context.require_project()?;
        let Some(store) = context.store_if_any().await? else {
            known_dag(context, command)?;
            return Ok(Vec::new());
        };
        let found = chosen(context, store.as_ref(), command).await;
        store.close().await;
        found
    })?;
    let mut out = output::stdout();
    if command.format == Format::Json {
        let runs = found
            .iter()
            .map(|(run, interrupted)| shape::Run::new(run, *interrupted).json());
        writeln!(out, "{:#}", Json::Array(runs.collect()))?;
        out.flush()?;
        return Ok(exit::OK);
    }
    if found.is_empty() {
        let faint = look::FAINT;
        let chosen = command.dag.is_some() || command.before.is_some();
        let words = if chosen || !command.state.is_empty() {
            "no such run"
        } else {
            "no run yet"
        };
        writeln!(out, "{faint}{words}{faint:#}")?;
    } else {
        let now = now();
        let rows: Vec<Vec<Cell>> = found
            .iter()
            .map(|(run, interrupted)| row(run, *interrupted, now))
            .collect();
        table::print(&mut out, COLUMNS, &rows, output::columns())?;
    }
    if let Some((last, _)) = found.last()
        && command.limit > 0
        && found.len() == command.limit as usize
        && output::columns().is_some()
    {
        let faint = look::FAINT;
        writeln!(out, "{faint}older ones: --before {}{faint:#}", last.id)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// Asks a server for them.
async fn there(server: &Server, command: &Runs) -> anyhow::Result<Vec<(RunRow, bool)>> {
    let (states, limit) = (states(command), limit(command));
    let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let parts = match &command.dag {
        Some(dag) => vec!["dags", dag.as_str(), "runs"],
        None => vec!["runs"],
    };
    let mut cursor = match &command.before {
        Some(name) => Some(server.find(name).await?.id.to_string()),
        None => None,
    };
    let mut found = Vec::new();
    loop {
        let left = match limit {
            0 => PART,
            limit => (limit as usize - found.len()).min(PART),
        };
        let mut query = vec![("limit", left.to_string())];
        query.extend((!words.is_empty()).then(|| ("state", words.join(","))));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let json = server.get(&parts, &query).await?;
        for run in json["runs"].as_array().into_iter().flatten() {
            let known = server.known(run)?;
            found.push((known.run, known.interrupted));
        }
        cursor = json["next"].as_str().map(str::to_owned);
        if cursor.is_none() || (limit > 0 && found.len() >= limit as usize) {
            return Ok(wanted(found, command));
        }
    }
}

/// The states that a store or a server is asked for.
fn states(command: &Runs) -> Vec<RunState> {
    let mut states: Vec<RunState> = command.state.iter().copied().flat_map(run_states).collect();
    states.dedup();
    states
}

/// How many they are asked for. Only looking at the processes tells what was interrupted; what isn't
/// over is never much.
fn limit(command: &Runs) -> u32 {
    if command.state.contains(&StateWord::Interrupted) {
        0
    } else {
        command.limit
    }
}

/// Of those that were found what is wanted.
fn wanted(mut found: Vec<(RunRow, bool)>, command: &Runs) -> Vec<(RunRow, bool)> {
    found.retain(|(run, gone)| {
        let asked = |word: &StateWord| match word {
            StateWord::Interrupted => *gone,
            word => run_states(*word).contains(&run.state),
        };
        command.state.is_empty() || command.state.iter().any(asked)
    });
    if command.limit > 0 {
        found.truncate(command.limit as usize);
    }
    found
}

async fn chosen(
    context: &Context,
    store: &dyn RunStore,
    command: &Runs,
) -> anyhow::Result<Vec<(RunRow, bool)>> {
    let before = match &command.before {
        Some(name) => Some(find::run(context, store, name).await?.id),
        None => None,
    };
    let filter = RunFilter {
        dag: command.dag.as_deref().and_then(|dag| DagId::new(dag).ok()),
        states: states(command),
        before,
        limit: limit(command),
        ..RunFilter::default()
    };
    let rows = store.runs(&filter).await?;
    if rows.is_empty() {
        known_dag(context, command)?;
    }
    let mut found = Vec::with_capacity(rows.len());
    for run in rows {
        found.push(find::look_at(&context.places.state, store, run).await?);
    }
    Ok(wanted(found, command))
}

/// A mistake when nothing was found because no such DAG exists.
fn known_dag(context: &Context, command: &Runs) -> anyhow::Result<()> {
    let Some(name) = &command.dag else {
        return Ok(());
    };
    let loaded = context.load()?;
    let read = loaded.project.iter().flat_map(|p| p.pipelines.keys());
    let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    let mut known = read.map(DagId::as_str).chain(broken);
    if known.clone().any(|dag| dag == name) {
        return Ok(());
    }
    Err(unknown("DAG", name, &mut known).into())
}

fn run_states(word: StateWord) -> Vec<RunState> {
    match word {
        StateWord::Queued => vec![RunState::Queued],
        StateWord::Running => vec![RunState::Running],
        StateWord::Cancelling => vec![RunState::Cancelling],
        StateWord::Success => vec![RunState::Success],
        StateWord::Failed => vec![RunState::Failed],
        StateWord::Cancelled => vec![RunState::Cancelled],
        StateWord::Interrupted => {
            vec![RunState::Queued, RunState::Running, RunState::Cancelling]
        }
    }
}

fn row(run: &RunRow, interrupted: bool, now: Timestamp) -> Vec<Cell> {
    let (word, style) = find::state_word(run.state, interrupted);
    let took = match (run.started, run.finished) {
        (Some(started), Some(finished)) => moment::took(started, finished),
        (Some(started), None) if !interrupted => moment::took(started, now),
        _ => String::new(),
    };
    vec![
        Cell::plain(run.id.as_str()),
        Cell::styled(run.dag.as_str(), look::BOLD),
        Cell::styled(word, style),
        Cell::plain(moment::short(run.created, now)),
        Cell::plain(took),
        match &run.trigger {
            TriggerKind::Event { source, .. } => Cell::plain(source),
            other => Cell::styled(trigger_word(other), look::FAINT),
        },
        Cell::styled(params_text(&run.params), look::FAINT),
    ]
}

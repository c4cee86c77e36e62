//! `runner list`: all DAGs and how they last ran.

use std::io::Write as _;

use serde_json::json;

use super::arguments::{Format, List};
use super::context::{Context, runtime};
use super::table::{self, Cell, Column};
use super::{exit, find, look, moment, output};
use crate::daemon::clock::now;
use crate::document::Severity;
use crate::model::DagId;
use crate::operate::shape;
use crate::operate::why::{starts, triggers};
use crate::spec::{Loaded, Pipeline};
use crate::store::{RunFilter, RunRow};

/// A DAG of the list.
struct Entry<'a> {
    pipeline: &'a Pipeline,
    /// Its latest run, and whether that was interrupted.
    last: Option<(RunRow, bool)>,
}

/// A file that can't be read.
struct Broken {
    name: String,
    path: String,
    error: String,
}

const COLUMNS: &[Column<'_>] = &[
    Column::left("DAG").shrinking(),
    Column::left("schedule").shrinking(),
    Column::right("tasks"),
    Column::left("last run"),
    Column::left(""),
    Column::left("tags").optional(),
    Column::left("description").optional(),
];

pub fn run(context: &Context, command: &List) -> anyhow::Result<u8> {
    let (project, loaded) = context.project()?;
    let chosen = |pipeline: &&Pipeline| command.tag.iter().all(|tag| pipeline.tags.contains(tag));
    let pipelines = project.pipelines.values().map(AsRef::as_ref);
    let pipelines: Vec<&Pipeline> = pipelines.filter(chosen).collect();
    let entries = runtime()?.block_on(entries(context, pipelines))?;
    let broken = if command.tag.is_empty() {
        broken(&loaded)
    } else {
        Vec::new()
    };
    let mut out = output::stdout();
    if command.format == Format::Json {
        let dags: Vec<_> = entries.iter().map(entry_json).collect();
        let broken = broken
            .iter()
            .map(|file| json!({ "dag": file.name, "path": file.path, "error": file.error }));
        let broken: Vec<_> = broken.collect();
        writeln!(out, "{:#}", json!({ "dags": dags, "broken": broken }))?;
    } else {
        print(&mut out, &entries, &broken)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

async fn entries<'a>(
    context: &Context,
    pipelines: Vec<&'a Pipeline>,
) -> anyhow::Result<Vec<Entry<'a>>> {
    let mut entries = Vec::with_capacity(pipelines.len());
    let store = context.store_if_any().await?;
    for pipeline in pipelines {
        let mut last = None;
        if let Some(store) = &store {
            let latest = RunFilter {
                dag: Some(pipeline.id.clone()),
                limit: 1,
                ..RunFilter::default()
            };
            if let Some(run) = store.runs(&latest).await?.pop() {
                let state = &context.places.state;
                last = Some(find::look_at(state, store.as_ref(), run).await?);
            }
        }
        entries.push(Entry { pipeline, last });
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(entries)
}

/// The files with mistakes, each with the first of them.
fn broken(loaded: &Loaded) -> Vec<Broken> {
    let first = |path: &std::path::Path| {
        let errors = loaded.diagnostics.iter().filter(|found| {
            found.severity == Severity::Error
                && loaded.sources.get(found.primary.span.source).path == path
        });
        errors.map(|found| found.message.clone()).next()
    };
    loaded
        .broken
        .iter()
        .map(|(path, dag)| Broken {
            name: dag.clone().unwrap_or_else(|| {
                let stem = path.file_stem().unwrap_or_default();
                stem.to_string_lossy().into_owned()
            }),
            path: path.display().to_string(),
            error: first(path).unwrap_or_else(|| "a file it includes has mistakes".to_owned()),
        })
        .collect()
}

fn print(
    out: &mut dyn std::io::Write,
    entries: &[Entry<'_>],
    broken: &[Broken],
) -> anyhow::Result<()> {
    let now = now();
    let mut rows: Vec<(String, Vec<Cell>)> = entries
        .iter()
        .map(|entry| (entry.pipeline.id.to_string(), row(entry, now)))
        .collect();
    rows.extend(broken.iter().map(|file| {
        let cells = vec![
            Cell::plain(&file.name),
            Cell::plain(""),
            Cell::plain(""),
            Cell::styled("broken", look::BAD),
            Cell::plain(""),
            Cell::plain(""),
            Cell::plain(""),
        ];
        (file.name.clone(), cells)
    }));
    if rows.is_empty() {
        let faint = look::FAINT;
        writeln!(
            out,
            "no DAG is here yet {faint}(`runner init` makes one){faint:#}"
        )?;
        return Ok(());
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(|(_, cells)| cells).collect();
    table::print(out, COLUMNS, &rows, output::columns())?;
    if !broken.is_empty() {
        let (faint, bad) = (look::FAINT, look::BAD);
        writeln!(out)?;
        for Broken { path, error, .. } in broken {
            writeln!(out, "{bad}broken{bad:#}  {path}: {error}")?;
        }
        writeln!(
            out,
            "{faint}all mistakes, with their lines: runner check{faint:#}"
        )?;
    }
    Ok(())
}

fn row(entry: &Entry<'_>, now: crate::model::Timestamp) -> Vec<Cell> {
    let pipeline = entry.pipeline;
    let (word, style, age) = match &entry.last {
        Some((run, interrupted)) => {
            let (word, style) = find::state_word(run.state, *interrupted);
            let at = run.finished.or(run.started).unwrap_or(run.created);
            (word, style, moment::short(at, now))
        }
        None => ("never", look::FAINT, String::new()),
    };
    vec![
        Cell::styled(pipeline.id.as_str(), look::BOLD),
        match starts(pipeline) {
            by_hand if by_hand == "by hand" => Cell::styled(by_hand, look::FAINT),
            words => Cell::plain(words),
        },
        Cell::plain(look::count(pipeline.tasks.len() as u64)),
        Cell::styled(word, style),
        Cell::plain(age),
        Cell::plain(pipeline.tags.join(" ")),
        Cell::styled(
            pipeline.description.clone().unwrap_or_default(),
            look::FAINT,
        ),
    ]
}

fn entry_json(entry: &Entry<'_>) -> serde_json::Value {
    let pipeline = entry.pipeline;
    let id: &DagId = &pipeline.id;
    let last = entry.last.as_ref();
    json!({
        "dag": id.as_str(),
        "path": pipeline.path,
        "description": pipeline.description,
        "owner": pipeline.owner,
        "tags": pipeline.tags,
        "schedule": pipeline.schedule.as_ref().map(crate::model::Schedule::describe),
        "after": pipeline.after.names().collect::<Vec<_>>(),
        "triggers": triggers(pipeline),
        "tasks": pipeline.tasks.len(),
        "version": pipeline.version.hash,
        "last_run": last.map(|(run, interrupted)| shape::Run::new(run, *interrupted).json()),
    })
}

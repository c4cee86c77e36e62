//! `runner list`: all DAGs and how they last ran.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::arguments::{Format, List};
use super::context::{Context, runtime};
use super::table::{self, Cell, Column};
use super::{exit, find, look, moment, output};
use crate::daemon::clock::now;
use crate::document::Severity;
use crate::model::Timestamp;
use crate::operate::dag::Head;
use crate::operate::shape;
use crate::remote::Server;
use crate::spec::{Loaded, Pipeline};
use crate::store::RunRow;

/// So many are asked for at a time.
const PART: usize = 1000;
/// What is wrong with a file that has no mistake itself.
const INCLUDED: &str = "a file it includes has mistakes";

/// A DAG of the list, and its latest run with whether that was interrupted.
struct Entry {
    dag: Head,
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
    let (entries, broken) = match &context.server {
        Some(server) => runtime()?.block_on(there(server, command))?,
        None => here(context, command)?,
    };
    let mut out = output::stdout();
    if command.format == Format::Json {
        let dags: Vec<_> = entries.iter().map(Entry::json).collect();
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

fn here(context: &Context, command: &List) -> anyhow::Result<(Vec<Entry>, Vec<Broken>)> {
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
    Ok((entries, broken))
}

async fn entries(context: &Context, pipelines: Vec<&Pipeline>) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(pipelines.len());
    let store = context.store_if_any().await?;
    for pipeline in pipelines {
        let mut last = None;
        if let Some(store) = &store {
            let state = &context.places.state;
            last = find::latest_of(state, store.as_ref(), &pipeline.id).await?;
        }
        let dag = Head::new(pipeline);
        entries.push(Entry { dag, last });
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(entries)
}

/// Asks a server for them.
async fn there(server: &Server, command: &List) -> anyhow::Result<(Vec<Entry>, Vec<Broken>)> {
    let (mut entries, mut broken) = (Vec::new(), Vec::new());
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", PART.to_string())];
        query.extend(command.tag.first().map(|tag| ("tag", tag.clone())));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let json = server.get(&["dags"], &query).await?;
        for dag in json["dags"].as_array().into_iter().flatten() {
            let head: Head = server.read(dag)?;
            let mut last = None;
            if let Some(run) = dag.get("last_run").filter(|run| !run.is_null()) {
                let known = server.known(run)?;
                last = Some((known.run, known.interrupted));
            }
            if command.tag.iter().all(|tag| head.tags.contains(tag)) {
                entries.push(Entry { dag: head, last });
            }
        }
        for file in json["broken"].as_array().into_iter().flatten() {
            let text = |json: &Json| json.as_str().map(str::to_owned);
            let path = text(&file["path"]).unwrap_or_default();
            broken.push(Broken {
                name: text(&file["dag"]).unwrap_or_else(|| stem(Path::new(&path))),
                error: text(&file["errors"][0]).unwrap_or_else(|| INCLUDED.to_owned()),
                path,
            });
        }
        cursor = json["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok((entries, broken));
        }
    }
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// The files with mistakes, each with the first of them.
fn broken(loaded: &Loaded) -> Vec<Broken> {
    let first = |path: &Path| {
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
            name: dag.clone().unwrap_or_else(|| stem(path)),
            path: path.display().to_string(),
            error: first(path).unwrap_or_else(|| INCLUDED.to_owned()),
        })
        .collect()
}

fn print(out: &mut dyn std::io::Write, entries: &[Entry], broken: &[Broken]) -> anyhow::Result<()> {
    let now = now();
    let mut rows: Vec<(String, Vec<Cell>)> = entries
        .iter()
        .map(|entry| (entry.dag.dag.clone(), row(entry, now)))
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

fn row(entry: &Entry, now: Timestamp) -> Vec<Cell> {
    let (word, style, age) = match &entry.last {
        Some((run, interrupted)) => {
            let (word, style) = find::state_word(run.state, *interrupted);
            let at = run.finished.or(run.started).unwrap_or(run.created);
            (word, style, moment::short(at, now))
        }
        None => ("never", look::FAINT, String::new()),
    };
    let dag = &entry.dag;
    vec![
        Cell::styled(dag.dag.as_str(), look::BOLD),
        match dag.starts.as_str() {
            by_hand @ "by hand" => Cell::styled(by_hand, look::FAINT),
            words => Cell::plain(words),
        },
        Cell::plain(look::count(dag.task_count as u64)),
        Cell::styled(word, style),
        Cell::plain(age),
        Cell::plain(dag.tags.join(" ")),
        Cell::styled(dag.description.clone().unwrap_or_default(), look::FAINT),
    ]
}

impl Entry {
    /// As a value.
    fn json(&self) -> Json {
        let last = self.last.as_ref();
        let last = last.map(|(run, interrupted)| shape::Run::new(run, *interrupted).json());
        let mut json = serde_json::to_value(&self.dag).unwrap_or_default();
        json["last_run"] = last.into();
        json
    }
}

//! The files of a DAG: as they are, with their mistakes; as a run had them; and what has changed.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::dag::{Asked as Dag, Tab, head, latest};
use super::editor::{self, FileLink};
use super::frame::{Page, Place, Trouble, Visitor};
use super::template::{Markup, render};
use super::view::{self, When};
use crate::document::{Diagnostic, Severity};
use crate::operate::difference::{Side, difference};
use crate::spec::SETTINGS_FILE;
use crate::web::App;
use crate::web::app::Snapshot;
use crate::web::route::{Needs, Route};

pub(super) const SOURCE: Route = Route::get("/dags/{dag}/source", Needs::Read, || get(source));

/// Runs whose versions are listed.
const RUNS: u32 = 200;
/// Unchanged lines beside changed ones.
const AROUND: usize = 3;

#[derive(Deserialize)]
struct Asked {
    /// The version to look at; without it the files as they are.
    version: Option<String>,
}

#[derive(Serialize)]
struct View {
    head: Markup,
    id: String,
    problems: Vec<Problem>,
    files: Vec<File>,
    versions: Vec<Version>,
    /// The version that is looked at, in short.
    version: Option<String>,
    is_current: bool,
    changes: Vec<File>,
}

#[derive(Serialize)]
struct Problem {
    class: &'static str,
    severity: &'static str,
    message: String,
    path: String,
    line: usize,
    link: String,
    help: Option<String>,
    file: FileLink,
}

#[derive(Serialize)]
struct File {
    path: String,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    number: Option<usize>,
    /// `add`, `cut`, `gap` or nothing.
    class: &'static str,
    sign: &'static str,
    text: String,
    wrong: bool,
    anchor: String,
}

#[derive(Serialize)]
struct Version {
    hash: String,
    short: String,
    link: String,
    at: When,
    runs: usize,
    here: bool,
    current: bool,
}

async fn source(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let known = Dag::read(&app, &dag).await?;
    let snapshot = app.snapshot();
    let current = known.pipeline.as_ref().map(|one| &one.version);
    let current_hash = current.map(|one| one.hash.clone());
    let wanted = asked
        .version
        .filter(|hash| Some(hash) != current_hash.as_ref());
    let missing = || Trouble::Missing("That version isn't kept any more.".to_owned());
    let (files, changes) = match &wanted {
        None => {
            let files = match current {
                Some(version) => version.files.clone(),
                None => broken_files(&snapshot, &dag),
            };
            (files, Vec::new())
        }
        Some(hash) => {
            let kept = app.store.version(hash).await?.ok_or_else(missing)?;
            if kept.dag != known.id {
                return Err(missing());
            }
            let now = current.map(|one| one.files.clone()).unwrap_or_default();
            let changes = changes(&kept.files, &now);
            (kept.files, changes)
        }
    };
    let problems = match &wanted {
        None => problems(&app, &snapshot, &files),
        Some(_) => Vec::new(),
    };
    let wrong: Vec<(String, usize)> = problems
        .iter()
        .map(|one| (one.path.clone(), one.line))
        .collect();
    let view = View {
        head: head(&app, &known, &visitor, Tab::Source),
        id: known.id.to_string(),
        problems,
        files: files
            .iter()
            .filter(|(path, _)| is_shown(path))
            .map(|(path, text)| numbered(path, text, &wrong))
            .collect(),
        versions: versions(&app, &known, current_hash.as_deref(), wanted.as_deref()).await?,
        is_current: wanted.is_none(),
        version: wanted.map(|hash| hash.chars().take(10).collect()),
        changes,
    };
    let title = format!("{} source", known.id);
    let page = Page {
        title: &title,
        place: Place::Dags,
        live: view.is_current.then(|| "/live/home".to_owned()),
        body: render("source.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

/// The settings may have in them what not everybody should see; the profile's name is no file.
fn is_shown(path: &str) -> bool {
    path != SETTINGS_FILE && path.contains('.')
}

/// The file of a DAG with mistakes, as it was read.
fn broken_files(snapshot: &Snapshot, dag: &str) -> BTreeMap<String, Arc<str>> {
    let own = snapshot.broken.iter();
    let own = own.filter(|(_, name)| name.as_deref() == Some(dag));
    own.filter_map(|(path, _)| {
        let mut sources = snapshot.sources.iter();
        let (_, source) = sources.find(|(_, source)| source.path == *path)?;
        Some((path.display().to_string(), source.text.clone()))
    })
    .collect()
}

fn problems(app: &App, snapshot: &Snapshot, files: &BTreeMap<String, Arc<str>>) -> Vec<Problem> {
    let of = |found: &Diagnostic| {
        let source = snapshot.sources.get(found.primary.span.source);
        let path = source.path.display().to_string();
        let span = found.primary.span;
        let position = snapshot.sources.position(span.source, span.range().start);
        let (class, severity) = match found.severity {
            Severity::Error => ("s-bad", "error"),
            Severity::Warning => ("s-warn", "warning"),
            Severity::Note => ("s-none", "note"),
        };
        Problem {
            class,
            severity,
            message: found.message.clone(),
            link: format!("#{}", anchor(&path, position.line)),
            line: position.line,
            file: editor::link(app, &path, position.line),
            path,
            help: found.help.clone().or_else(|| {
                let text = &found.primary.text;
                (!text.is_empty()).then(|| text.clone())
            }),
        }
    };
    let own = |found: &&Diagnostic| {
        let source = snapshot.sources.get(found.primary.span.source);
        files.contains_key(&*source.path.to_string_lossy())
    };
    snapshot.diagnostics.iter().filter(own).map(of).collect()
}

/// The name of a line within the page.
fn anchor(path: &str, line: usize) -> String {
    let stem = FilePath::new(path).file_name().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let stem: String = stem.to_string_lossy().chars().map(plain).collect();
    format!("{stem}-{line}")
}

fn numbered(path: &str, text: &str, wrong: &[(String, usize)]) -> File {
    let lines = text.lines().enumerate().map(|(at, text)| Line {
        number: Some(at + 1),
        class: "",
        sign: "",
        text: text.to_owned(),
        wrong: wrong
            .iter()
            .any(|(own, line)| own == path && *line == at + 1),
        anchor: anchor(path, at + 1),
    });
    File {
        path: path.to_owned(),
        lines: lines.collect(),
    }
}

/// What has changed from old files to new ones, with a few lines around each change.
fn changes(old: &BTreeMap<String, Arc<str>>, new: &BTreeMap<String, Arc<str>>) -> Vec<File> {
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut files = Vec::new();
    for path in paths {
        let (old, new) = (
            old.get(path).map_or("", |text| &**text),
            new.get(path).map_or("", |text| &**text),
        );
        if old == new || !is_shown(path) {
            continue;
        }
        let all = difference(old, new);
        let changed = |at: usize| all.get(at).is_some_and(|(side, _)| *side != Side::Both);
        let near = |at: usize| {
            let from = at.saturating_sub(AROUND);
            (from..=at + AROUND).any(changed)
        };
        let mut lines: Vec<Line> = Vec::new();
        let mut number = 0;
        for (at, (side, text)) in all.iter().enumerate() {
            number += usize::from(*side != Side::Old);
            if !near(at) {
                if lines.last().is_none_or(|last| last.class != "gap") {
                    lines.push(line("gap", "", None, "⋯"));
                }
                continue;
            }
            lines.push(match side {
                Side::Both => line("", " ", Some(number), text),
                Side::Old => line("cut", "−", None, text),
                Side::New => line("add", "+", Some(number), text),
            });
        }
        files.push(File {
            path: path.clone(),
            lines,
        });
    }
    files
}

fn line(class: &'static str, sign: &'static str, number: Option<usize>, text: &str) -> Line {
    Line {
        number,
        class,
        sign,
        text: text.to_owned(),
        wrong: false,
        anchor: String::new(),
    }
}

/// The versions of the latest runs, newest first.
async fn versions(
    app: &App,
    known: &Dag,
    current: Option<&str>,
    wanted: Option<&str>,
) -> Result<Vec<Version>, Trouble> {
    let mut versions: Vec<Version> = Vec::new();
    for run in latest(app, &known.id, RUNS).await? {
        if let Some(version) = versions.iter_mut().find(|one| one.hash == run.version) {
            version.runs += 1;
            continue;
        }
        versions.push(Version {
            short: run.version.chars().take(10).collect(),
            link: format!("/dags/{}/source?version={}", known.id, run.version),
            at: view::when(run.created, known.now),
            runs: 1,
            here: wanted == Some(run.version.as_str()),
            current: current == Some(run.version.as_str()),
            hash: run.version,
        });
    }
    Ok(versions)
}

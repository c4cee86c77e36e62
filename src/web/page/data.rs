//! The rows that a task left with its run: the first of them, their types, how many there are.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::frame::{Page, Place, Trouble, Visitor};
use super::run::Known;
use super::template::render;
use crate::data::ColumnKind;
use crate::operate::find;
use crate::operate::rows::{Rows, datasets};
use crate::operate::words::{bytes, count, plural};
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const DATA: Route =
    Route::get("/runs/{run}/tasks/{task}/data", Needs::Read, || get(data));

/// Rows of a page, and letters of a cell.
const ROWS: u64 = 200;
const CELL: usize = 200;
/// Letters of a row that is taken apart.
const WHOLE: usize = 100_000;

#[derive(Deserialize)]
struct Asked {
    item: Option<u32>,
}

#[derive(Serialize)]
struct View {
    run: String,
    dag: String,
    task: String,
    about: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// The rows that break the rules of a check, by rule.
    broken: Vec<Broken>,
    shown: String,
    api: String,
    csv: String,
}

#[derive(Serialize)]
struct Column {
    name: String,
    kind: &'static str,
    number: bool,
}

#[derive(Serialize)]
struct Cell {
    text: Option<String>,
    number: bool,
}

/// A rule of a check, and rows that break it.
#[derive(Serialize)]
struct Broken {
    rule: String,
    severity: String,
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// What a check has kept, taken apart; nothing when the rows are of another kind.
fn broken(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<Broken> {
    let names: Vec<&str> = columns.iter().map(|one| one.name.as_str()).collect();
    let mut rules: Vec<Broken> = Vec::new();
    if names != ["rule", "severity", "row"] {
        return rules;
    }
    for row in rows {
        let text = |at: usize| row.get(at).and_then(|cell| cell.text.clone());
        let (Some(rule), Some(severity)) = (text(0), text(1)) else {
            continue;
        };
        let row = text(2).and_then(|text| serde_json::from_str(&text).ok());
        let Some(Json::Object(row)) = row else {
            continue;
        };
        if rules.last().is_none_or(|last| last.rule != rule) {
            rules.push(Broken {
                rule,
                severity,
                columns: row.keys().cloned().collect(),
                rows: Vec::new(),
            });
        }
        let cell = |value: &Json| match value {
            Json::Null => None,
            Json::String(text) => Some(cut(text.as_bytes(), CELL)),
            other => Some(cut(other.to_string().as_bytes(), CELL)),
        };
        if let Some(last) = rules.last_mut() {
            let cells = last.columns.iter().map(|name| row.get(name).and_then(cell));
            last.rows.push(cells.collect());
        }
    }
    rules
}

async fn data(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path((run, task)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let known = Known::read(&app, &run).await?;
    let at = find::task(&known.version, &task)?;
    let found = datasets(app.store.as_ref(), &known.run, at, asked.item).await?;
    if found.is_empty() {
        return Err(Trouble::Missing(format!(
            "Task {task} has left no rows in run {run}."
        )));
    }
    let total: u64 = found.iter().map(|one| one.rows).sum();
    let size: u64 = found.iter().map(|one| one.bytes).sum();
    let mut rows = Rows::open(&app.places.state, &found, ROWS).await?;
    let columns = rows.columns();
    let mut shown: Vec<Vec<Cell>> = Vec::new();
    let kind = known.pipeline.as_ref();
    let kind = kind.and_then(|pipeline| pipeline.tasks.get(at.get()));
    let is_check = kind.is_some_and(|task| task.kind == "check");
    while let Some(batch) = rows.next().await? {
        for row in 0..batch.rows() {
            let cells = batch
                .row(row)
                .zip(columns.iter())
                .map(|(cell, column)| Cell {
                    text: cell.map(|cell| cut(cell, if is_check { WHOLE } else { CELL })),
                    number: column.kind == ColumnKind::Number,
                });
            shown.push(cells.collect());
        }
    }
    let rows_word =
        |count: u64| plural(usize::try_from(count).unwrap_or(usize::MAX), "row", "rows");
    let first = shown.len() as u64;
    let item = asked
        .item
        .map_or_else(String::new, |item| format!("&item={item}"));
    let columns: Vec<Column> = columns
        .iter()
        .map(|column| Column {
            name: column.name.to_string(),
            kind: word(column.kind),
            number: column.kind == ColumnKind::Number,
        })
        .collect();
    let broken = if is_check {
        broken(&columns, &shown)
    } else {
        Vec::new()
    };
    let view = View {
        broken,
        run: run.clone(),
        dag: known.run.dag.to_string(),
        task: task.clone(),
        about: format!("{}, {}", rows_word(total), bytes(size)),
        columns,
        shown: if first < total {
            format!("the first {} of {}", count(first), count(total))
        } else {
            String::new()
        },
        rows: shown,
        csv: format!("/api/v1/runs/{run}/tasks/{task}/data?format=csv{item}"),
        api: format!("/api/v1/runs/{run}/tasks/{task}/data?limit=1000{item}"),
    };
    let title = format!("{task} rows");
    let page = Page {
        title: &title,
        place: Place::Runs,
        live: None,
        body: render("data.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

fn cut(cell: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(cell);
    let mut letters = text.chars();
    let cut: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        format!("{cut}…")
    } else {
        cut
    }
}

fn word(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Number => "number",
        ColumnKind::Text => "text",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Json => "json",
    }
}

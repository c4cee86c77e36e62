//! The rows that a task left with its run: the first of them, their types, how many there are.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

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
    shown: String,
    api: String,
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
    let mut shown = Vec::new();
    while let Some(batch) = rows.next().await? {
        for row in 0..batch.rows() {
            let cells = batch
                .row(row)
                .zip(columns.iter())
                .map(|(cell, column)| Cell {
                    text: cell.map(cut),
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
    let view = View {
        run: run.clone(),
        dag: known.run.dag.to_string(),
        task: task.clone(),
        about: format!("{}, {}", rows_word(total), bytes(size)),
        columns: columns
            .iter()
            .map(|column| Column {
                name: column.name.to_string(),
                kind: word(column.kind),
                number: column.kind == ColumnKind::Number,
            })
            .collect(),
        shown: if first < total {
            format!("the first {} of {}", count(first), count(total))
        } else {
            String::new()
        },
        rows: shown,
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

fn cut(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let mut letters = text.chars();
    let cut: String = letters.by_ref().take(CELL).collect();
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

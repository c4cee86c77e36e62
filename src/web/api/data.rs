//! The rows that a task has left.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::Search;
use crate::data::ColumnKind;
use crate::data::csv::{encode_batch, encode_header};
use crate::operate::find;
use crate::operate::rows::{Rows, datasets, none};
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// Rows in JSON when nobody says how many.
const ROWS: u64 = 100;
/// And at most so many.
const MOST_ROWS: u64 = 1000;

/// The rows of a task.
pub(super) const SHOW: Route =
    Route::get("/api/v1/runs/{run}/tasks/{task}/data", Needs::Read, || {
        get(show)
    })
    .streaming()
    .about(
        Describe::new(
            "runs",
            "The first rows that a task has left; with `format=csv` as a file, and all without a `limit`",
        )
        .query(&["item", "limit/rows", "format"])
        .gives(of::<Data>),
    );

/// The first rows of a dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Data {
    pub columns: Vec<DataColumn>,
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Value>,
    /// How many rows there are.
    pub total: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DataColumn {
    pub name: String,
    /// `text`, `number`, `boolean` or `json`.
    pub kind: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    item: Option<u32>,
    limit: Option<u64>,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Csv,
}

async fn show(
    State(app): State<Arc<App>>,
    Path((run, name)): Path<(String, String)>,
    Search(asked): Search<Asked>,
) -> Result<Response, Problem> {
    let store = app.store.as_ref();
    let row = find::run_of_id(store, &run).await?;
    let version = find::version(store, &row).await?;
    let task = find::task(&version, &name)?;
    let datasets = datasets(store, &row, task, asked.item).await?;
    if datasets.is_empty() {
        return Err(none(store, &row, &version, &name, asked.item).await?.into());
    }
    let total = datasets.iter().map(|dataset| dataset.rows).sum();
    let bytes = datasets.iter().map(|dataset| dataset.bytes).sum();
    let state = &app.places.state;
    if asked.format == Format::Csv {
        let limit = asked.limit.unwrap_or(total);
        let rows = Rows::open(state, &datasets, limit).await?;
        return Ok(csv(rows, &format!("{name}-{run}.csv")));
    }
    let limit = asked.limit.unwrap_or(ROWS).min(MOST_ROWS);
    let mut rows = Rows::open(state, &datasets, limit).await?;
    let columns = rows.columns();
    let columns = columns.iter().map(|column| DataColumn {
        name: column.name.to_string(),
        kind: match column.kind {
            ColumnKind::Text => "text",
            ColumnKind::Number => "number",
            ColumnKind::Boolean => "boolean",
            ColumnKind::Json => "json",
        },
    });
    let columns = columns.collect();
    let mut found = Vec::new();
    while let Some(batch) = rows.next().await? {
        found.extend((0..batch.rows()).map(|row| Value::Object(batch.row_as_json(row))));
    }
    let data = Data {
        columns,
        rows: found,
        total,
        bytes,
    };
    Ok(Json(data).into_response())
}

/// All rows, as a file that is sent while it is made.
fn csv(rows: Rows, name: &str) -> Response {
    let mut head = Vec::new();
    encode_header(&rows.columns(), &mut head);
    let pieces = stream::unfold((Some(head), rows), |(head, mut rows)| async move {
        if let Some(head) = head {
            return Some((Ok(Bytes::from(head)), (None, rows)));
        }
        let batch = rows
            .next()
            .await
            .map_err(std::io::Error::other)
            .transpose()?;
        let piece = batch.map(|batch| {
            let mut piece = Vec::new();
            encode_batch(&batch, &mut piece);
            Bytes::from(piece)
        });
        Some((piece, (None, rows)))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    // Names of tasks and runs have no quotes.
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

//! Files as records.

use chrono::SecondsFormat;

use super::place::Place;
use crate::data::{BatchBuilder, Column, ColumnKind, Columns};
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};

/// Lists files into the task's dataset, sorted by path.
pub(super) async fn run(place: &Place, attempt: &AttemptContext) -> TaskResult {
    let place = place.find(attempt)?;
    let found = tokio::task::spawn_blocking(move || place.store.list(&place.path));
    let found = found
        .await
        .map_err(|error| TaskFailure::retryable(error.to_string()))??;
    let rows: Vec<(String, u64, String)> = found
        .into_iter()
        .map(|file| {
            let modified = file.modified.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            (file.path, file.bytes, modified)
        })
        .collect();
    let columns: Columns = [
        Column::text("path"),
        Column {
            name: "bytes".into(),
            kind: ColumnKind::Number,
        },
        Column::text("modified"),
    ]
    .into();
    let mut writer = attempt.dataset(columns.clone()).await?;
    let mut builder = BatchBuilder::new(columns);
    let mut total = 0;
    for (path, bytes, modified) in &rows {
        total += bytes;
        for cell in [path, &bytes.to_string(), modified] {
            builder.push(Some(cell.as_bytes()));
        }
        if builder.is_full() {
            writer.write(builder.take()).await?;
        }
    }
    if !builder.is_empty() {
        writer.write(builder.take()).await?;
    }
    let count = rows.len() as u64;
    let mut output = TaskOutput {
        dataset: Some(writer.finish().await?),
        metrics: Metrics {
            rows: Some(count),
            ..Metrics::default()
        },
        ..TaskOutput::default()
    };
    output.outputs.insert("files".to_owned(), count.into());
    output.outputs.insert("bytes".to_owned(), total.into());
    Ok(output)
}

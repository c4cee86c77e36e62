//! Files as records.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::data::{BatchBuilder, Column, ColumnKind, Columns, DataError, find_files};
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};
use crate::template::Template;

/// Lists files into the task's dataset, sorted by path.
pub(super) async fn run(path: &Template, attempt: &AttemptContext) -> TaskResult {
    let pattern = path.render(&attempt.scope)?;
    let root = attempt.places.root.clone();
    let found = tokio::task::spawn_blocking(move || {
        let files = find_files(&root, &pattern).map_err(TaskFailure::permanent)?;
        let mut rows = Vec::new();
        for file in files {
            match std::fs::metadata(&file.path) {
                Ok(metadata) if metadata.is_file() => {
                    let modified = metadata
                        .modified()
                        .map_err(|error| DataError::file(&file.shown, error))?;
                    let modified: DateTime<Utc> = modified.into();
                    rows.push((
                        file.shown.to_string_lossy().into_owned(),
                        metadata.len(),
                        modified.to_rfc3339_opts(SecondsFormat::AutoSi, true),
                    ));
                }
                // Gone since, or a folder.
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(DataError::file(&file.shown, error).into()),
            }
        }
        Ok::<_, TaskFailure>(rows)
    });
    let rows = found
        .await
        .map_err(|error| TaskFailure::retryable(error.to_string()))??;
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

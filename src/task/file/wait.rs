//! Waiting for a file.

use std::time::Duration;

use super::place::{Found, Place};
use crate::data::DataError;
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};

/// Waits until files are there whose sizes are the same at two looks.
pub(super) async fn run(place: &Place, every: Duration, attempt: &AttemptContext) -> TaskResult {
    let place = place.find(attempt)?;
    attempt.log.info(format!("waiting for `{}`", place.shown()));
    let mut before: Vec<(String, u64)> = Vec::new();
    loop {
        let looked = place.clone();
        let seen = tokio::task::spawn_blocking(move || look(&looked))
            .await
            .map_err(|error| TaskFailure::retryable(error.to_string()))??;
        if !seen.is_empty() && seen == before {
            let bytes = seen.iter().map(|(_, bytes)| bytes).sum::<u64>();
            let mut output = TaskOutput {
                metrics: Metrics {
                    summary: Some(format!("{} files, {bytes} bytes", seen.len())),
                    ..Metrics::default()
                },
                ..TaskOutput::default()
            };
            let first = seen[0].0.clone();
            output.outputs.insert("path".to_owned(), first.into());
            output.outputs.insert("files".to_owned(), seen.len().into());
            output.outputs.insert("bytes".to_owned(), bytes.into());
            return Ok(output);
        }
        before = seen;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = attempt.cancel.cancelled() => return Err(TaskFailure::retryable("cancelled")),
        }
    }
}

/// The files of the pattern and their sizes.
fn look(place: &Found) -> Result<Vec<(String, u64)>, DataError> {
    let files = place.store.list(&place.path)?;
    Ok(files
        .into_iter()
        .map(|file| (file.path, file.bytes))
        .collect())
}

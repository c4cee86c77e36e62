//! Waiting for a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::data::find_files;
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};
use crate::template::Template;

/// Waits until files are there whose sizes are the same at two looks.
pub(super) async fn run(path: &Template, every: Duration, attempt: &AttemptContext) -> TaskResult {
    let pattern = path.render(&attempt.scope)?;
    attempt.log.info(format!("waiting for `{pattern}`"));
    let mut before: Vec<(PathBuf, u64)> = Vec::new();
    loop {
        let (root, looked) = (attempt.places.root.clone(), pattern.clone());
        let seen = tokio::task::spawn_blocking(move || look(&root, &looked))
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
            let first = seen[0].0.to_string_lossy().into_owned();
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
fn look(root: &Path, pattern: &str) -> Result<Vec<(PathBuf, u64)>, TaskFailure> {
    let files = find_files(root, pattern).map_err(TaskFailure::permanent)?;
    Ok(files
        .into_iter()
        .filter_map(|file| Some((file.shown, std::fs::metadata(&file.path).ok()?.len())))
        .collect())
}

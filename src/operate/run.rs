//! What a run's tasks did, beyond what their rows say.

use crate::store::TaskRunRow;
use crate::task::Metrics;

/// What a task did, in numbers.
#[must_use]
pub fn metrics(row: &TaskRunRow) -> Metrics {
    let metrics = row
        .result
        .as_ref()
        .and_then(|result| result.metrics.as_ref());
    metrics
        .and_then(|metrics| serde_json::from_str(&metrics.0).ok())
        .unwrap_or_default()
}

//! What triggers wait for: whether it can be looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::document::Diagnostic;
use crate::document::units::format_duration;
use crate::spec::{Pipeline, Project};
use crate::task::Clock;
use crate::trigger::Around;

/// How long a look may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Looks once at what each trigger of a pipeline waits for.
pub(super) async fn look(project: &Project, pipeline: &Pipeline, clock: &Clock) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for spec in &pipeline.triggers {
        let around = Around {
            purpose: "runner check".to_owned(),
            connections: project.settings.connections.clone(),
            places: project.places.clone(),
            clock: clock.clone(),
            once: true,
            ordinal: spec.ordinal,
            stands: BTreeMap::new(),
        };
        let Some(mut watch) = spec.trigger.watch(&around) else {
            continue;
        };
        let reason = match tokio::time::timeout(PATIENCE, watch.look()).await {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing to see within {}", format_duration(PATIENCE)),
        };
        let awaited = spec.trigger.awaited();
        let message = format!("nobody can look for {awaited}: {reason}");
        found.push(Diagnostic::error("blind-trigger", message, spec.place));
    }
    found
}

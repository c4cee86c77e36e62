//! What has no effect in a project as a whole, although each part of it is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::pipeline::Pipeline;
use super::settings::Settings;
use crate::document::{Diagnostic, Report};
use crate::model::DagId;

/// A profile's parameter that no DAG has is probably misspelled.
pub(super) fn warn_of_unknown_params(
    settings: &Settings,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    broken: &[(PathBuf, Option<String>)],
    report: &mut Report,
) {
    // A broken pipeline may have it.
    for (name, _) in settings.params.iter().filter(|_| broken.is_empty()) {
        if !pipelines.values().any(|pipeline| pipeline.params.has(name)) {
            let known = pipelines
                .values()
                .flat_map(|pipeline| pipeline.params.names());
            let known: BTreeSet<String> = known.collect();
            report.push(
                Diagnostic::warning(
                    "no-effect",
                    format!("no DAG has a parameter `{}`", name.value),
                    name.span,
                )
                .suggest(name, known.iter().map(String::as_str), "parameter"),
            );
        }
    }
}

/// Who is to be told of deadlines waits in vain where no DAG has one.
pub(super) fn warn_of_no_deadline(
    settings: &Settings,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    broken: &[(PathBuf, Option<String>)],
    report: &mut Report,
) {
    let none = pipelines
        .values()
        .all(|pipeline| pipeline.deadline.is_none());
    let place = settings.notifications.deadlines;
    // A broken pipeline may have one.
    if let Some(place) = place.filter(|_| none && broken.is_empty() && !pipelines.is_empty()) {
        report.push(
            Diagnostic::warning(
                "no-effect",
                "nobody will be told: no DAG has a `deadline`",
                place,
            )
            .help("say in a DAG when its runs should be over: `deadline: 1h`"),
        );
    }
}

//! The files with mistakes.

use serde::Serialize;

use crate::document::Severity;
use crate::model::DagId;
use crate::web::app::Snapshot;

/// A file with mistakes.
#[derive(Serialize)]
pub(super) struct Broken {
    path: String,
    dag: Option<String>,
    error: String,
    kept: bool,
}

/// The files with mistakes, each with the first of them.
pub(super) fn broken(snapshot: &Snapshot) -> Vec<Broken> {
    let first = |path: &std::path::Path| {
        let mut errors = snapshot.diagnostics.iter().filter(|found| {
            found.severity == Severity::Error
                && snapshot.sources.get(found.primary.span.source).path == path
        });
        errors.next().map(|found| found.message.clone())
    };
    let of_file = |(path, dag): &(std::path::PathBuf, Option<String>)| Broken {
        path: path.display().to_string(),
        dag: dag.clone().filter(|dag| DagId::new(dag).is_ok()),
        error: first(path).unwrap_or_else(|| "a file it includes has mistakes".to_owned()),
        kept: false,
    };
    let mut broken: Vec<Broken> = snapshot.broken.iter().map(of_file).collect();
    if snapshot.project.is_none() {
        let error = snapshot.diagnostics.iter();
        let mut error = error.filter(|found| found.severity == Severity::Error);
        broken.push(Broken {
            path: crate::spec::SETTINGS_FILE.to_owned(),
            dag: None,
            error: error
                .next()
                .map_or_else(String::new, |found| found.message.clone()),
            kept: false,
        });
    }
    broken
}

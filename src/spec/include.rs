//! Files that a pipeline includes.

use std::path::Path;

use super::files::Files;
use super::pipeline::PipelineRecord;
use super::placement::point_at_keys;
use super::yaml::read_yaml;
use crate::document::{
    Diagnostic, Map, Node, Report, SourceId, Spanned, read_map, refuse_unknown_keys,
};
use crate::task::unreadable;

crate::record! {
    /// A file that is included.
    pub struct IncludeRecord as "an included file" {
        /// Parameters that are added.
        params: Map<Node>,
        /// Tasks that are added.
        tasks: Map<Node>,
    }
}

/// Tasks as they stand in files, in order.
pub type Tasks = Vec<(Spanned<String>, Node)>;

/// The file's own tasks and params, then those of its includes.
pub fn with_includes(
    record: &PipelineRecord,
    files: &mut Files<'_>,
    report: &mut Report,
) -> (Tasks, Map<Node>) {
    let own = record.tasks.0.as_ref();
    let mut tasks: Tasks = own.map(|tasks| tasks.0.clone()).unwrap_or_default();
    let mut params = record.params.clone();
    for (at, include) in record.include.0.iter().enumerate() {
        let earlier = &record.include.0[..at];
        if let Some(first) = earlier.iter().find(|first| first.value == include.value) {
            report.push(
                Diagnostic::error(
                    "duplicate-include",
                    format!("`{}` is included twice", include.value),
                    include.span,
                )
                .label("remove it")
                .related(first.span, "first here"),
            );
            continue;
        }
        let Some(included) = read_include(include, record.span.source, files, report) else {
            continue;
        };
        for (name, node) in included.tasks.0 {
            if let Some((first, _)) = tasks.iter().find(|(known, _)| known.value == name.value) {
                report.push(
                    Diagnostic::error(
                        "duplicate-key",
                        format!("task `{}` is in two files", name.value),
                        name.span,
                    )
                    .label("give it another name")
                    .related(first.span, "first here"),
                );
            } else {
                tasks.push((name, node));
            }
        }
        // The including file has the last word on defaults.
        for (name, node) in included.params.0 {
            if !params.0.iter().any(|(known, _)| known.value == name.value) {
                params.0.push((name, node));
            }
        }
    }
    (tasks, params)
}

/// Reads an included file for a pipeline in `home`.
fn read_include(
    include: &Spanned<String>,
    home: SourceId,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<IncludeRecord> {
    let path = Path::new(&include.value);
    let (source, text) = match files.read(path) {
        Ok(found) => found,
        Err(reason) => {
            let diagnostic = unreadable(include, &reason, &files.siblings(path));
            report.push(diagnostic);
            return None;
        }
    };
    let before = report.diagnostics().len();
    let node = read_yaml(source, &text, report)?;
    if source == home || node.get("dag").is_some() {
        let what = if source == home {
            "itself"
        } else {
            "another pipeline"
        };
        report.push(
            Diagnostic::error(
                "wrong-include",
                format!("a pipeline can't include {what}"),
                include.span,
            )
            .label("expected a file that has only `params` and `tasks`"),
        );
        return None;
    }
    let entries = read_map(&node, report)?;
    let entries = refuse_unknown_keys(entries, IncludeRecord::KEYS, "an included file", report);
    let record = IncludeRecord::from_entries(&entries, node.span, report);
    point_at_keys(&node, before, report);
    record
}

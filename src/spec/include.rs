//! Files that a pipeline includes.

use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::pipeline::PipelineRecord;
use super::yaml::read_yaml;
use crate::document::{Diagnostic, FromNode, Map, Node, Report, SourceId, Spanned};

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
    let mut tasks = record.tasks.value.0.clone();
    let mut params = record.params.clone();
    for include in &record.include.0 {
        let (source, text): (SourceId, Arc<str>) = match files.read(Path::new(&include.value)) {
            Ok(found) => found,
            Err(reason) => {
                report.push(Diagnostic::error(
                    "unreadable-file",
                    format!("`{}` can't be read: {reason}", include.value),
                    include.span,
                ));
                continue;
            }
        };
        let Some(included) = read_yaml(source, &text, report)
            .and_then(|node| IncludeRecord::from_node(&node, report))
        else {
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

//! Files that a pipeline includes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::files::Files;
use super::pipeline::PipelineRecord;
use super::placement::point_at_keys;
use super::yaml::read_yaml;
use crate::document::{
    Diagnostic, Entry, Map, Node, Report, SourceId, Span, Spanned, read_map, refuse_unknown_keys,
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

/// Tasks as they stand in files, in order. Those of the file itself, which may be many, aren't
/// copied.
pub type Tasks<'a> = Vec<(Spanned<String>, Cow<'a, Node>)>;

/// The file's own tasks and params, then those of its includes.
pub fn with_includes<'a>(
    own: &'a [Entry],
    record: &PipelineRecord,
    files: &mut Files<'_>,
    report: &mut Report,
) -> (Tasks<'a>, Map<Node>) {
    let mut tasks: Tasks<'a> = own
        .iter()
        .map(|entry| {
            let name = entry.key.clone().map(String::from);
            (name, Cow::Borrowed(&entry.value))
        })
        .collect();
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
        let known: HashMap<String, Span> = tasks
            .iter()
            .map(|(name, _)| (name.value.clone(), name.span))
            .collect();
        for (name, node) in included.tasks.0 {
            if let Some(first) = known.get(&name.value) {
                report.push(
                    Diagnostic::error(
                        "duplicate-key",
                        format!("task `{}` is in two files", name.value),
                        name.span,
                    )
                    .label("give it another name")
                    .related(*first, "first here"),
                );
            } else {
                tasks.push((name, Cow::Owned(node)));
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

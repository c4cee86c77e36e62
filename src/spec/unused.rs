//! Parameters that nothing reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::params::Params;
use crate::document::{Diagnostic, Report};

/// Warns of parameters whose name stands nowhere but where they are defined. A template, `:name` in
/// SQL and even a comment count as reading it: the warning is never wrong, though it may be missing.
pub fn warn_of_unused(params: &Params, files: &BTreeMap<String, Arc<str>>, report: &mut Report) {
    if files.values().any(|text| passes_all(text)) {
        return;
    }
    for param in params.iter() {
        let count: usize = files
            .values()
            .map(|text| words(text, &param.name).take(2).count())
            .sum();
        if count < 2 {
            report.push(
                Diagnostic::warning(
                    "unused-param",
                    format!("nothing reads the parameter `{}`", param.name),
                    param.span,
                )
                .help(
                    "remove it, or read it: `{{ params.name }}`, `:name` in SQL"
                        .replace("name", &param.name),
                ),
            );
        }
    }
}

/// Whether a template reads `params` as a whole.
fn passes_all(text: &str) -> bool {
    words(text, "params").any(|at| {
        let rest = text[at + "params".len()..].trim_start();
        !rest.starts_with(['.', ':'])
    })
}

/// Where a word stands.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    memchr::memmem::find_iter(text.as_bytes(), word).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

//! Names that can't be.

use crate::document::{Diagnostic, Spanned};
use crate::model::InvalidName;

/// A name that breaks the one rule of names, with one that doesn't.
pub fn invalid_name(what: &str, name: &Spanned<String>, error: InvalidName) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "invalid-name",
        format!("`{}` can't be the name of {what}", name.value),
        name.span,
    )
    .label(error.to_string());
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let better: String = name
        .chars()
        .map(|c| if fit(c) { c } else { '_' })
        .take(crate::model::MAX_LENGTH)
        .collect();
    let better = better.trim_matches('_');
    if better.is_empty() {
        return diagnostic;
    }
    diagnostic.help(format!("for example `{better}`"))
}

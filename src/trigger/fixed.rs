//! Values of a trigger that are the same for all runs.

use crate::document::{Diagnostic, Report, Spanned};

/// Whether a text has no template in it; one that has is reported.
pub(super) fn is_fixed(text: &Spanned<String>, report: &mut Report) -> bool {
    let fixed = !text.contains("{{") && !text.contains("{%");
    if !fixed {
        report.push(
            Diagnostic::error("no-template", "a template can't stand here", text.span)
                .label("there is no run yet that it could be about"),
        );
    }
    fixed
}

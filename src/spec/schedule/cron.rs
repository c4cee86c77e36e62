//! Cron lines, with their mistakes at their places in the document.

use schemars::{Schema, json_schema};

use crate::document::{Diagnostic, FromNode, Node, Report, Span, units};
use crate::model::{CronMistake, CronRule};

impl FromNode for CronRule {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let Some(text) = node.as_text() else {
            report.expected("a cron line as text", node);
            return None;
        };
        match Self::parse(text) {
            Ok(rule) => Some(rule),
            Err(mistakes) => {
                if let Some(diagnostic) = meant_otherwise(text, node.span) {
                    report.push(diagnostic);
                    return None;
                }
                for mistake in mistakes {
                    report.push(diagnostic(text, node.span, mistake));
                }
                None
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["*/5 * * * *", "@daily"] })
    }
}

/// A mistake in a cron line at its place in the document.
fn diagnostic(text: &str, span: Span, mistake: CronMistake) -> Diagnostic {
    let length = span.range().len();
    // A text in quotes has two more bytes; where escapes or folding change the length, the whole
    // text is shown.
    let place = match length.checked_sub(text.len()) {
        Some(0) => span.slice(mistake.range.clone()),
        Some(2) => span.slice(mistake.range.start + 1..mistake.range.end + 1),
        _ => span,
    };
    let place = if mistake.range.is_empty() {
        span
    } else {
        place
    };
    let wrong = text.get(mistake.range).unwrap_or_default().to_owned();
    let mut diagnostic = Diagnostic::error("invalid-cron", mistake.message, place);
    if !mistake.known.is_empty() {
        diagnostic = diagnostic.suggest(&wrong, mistake.known, "name");
    }
    match mistake.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// Texts that aren't cron at all but show what was wanted.
fn meant_otherwise(text: &str, span: Span) -> Option<Diagnostic> {
    let text = text.trim();
    let error = || Diagnostic::error("invalid-cron", format!("`{text}` is no schedule"), span);
    let pace = text.strip_prefix("every ").unwrap_or(text).trim();
    if units::parse_duration(pace).is_ok() {
        return Some(error().help(format!("write `schedule: {{ every: {pace} }}`")));
    }
    match text {
        "none" | "never" | "manual" | "null" | "@never" | "@once" | "@none" => {
            Some(error().help("leave `schedule` out for a DAG that only people start"))
        }
        "stream" | "continuous" | "@continuous" => Some(error().label("did you mean `always`?")),
        "hourly" | "daily" | "midnight" | "weekly" | "monthly" | "yearly" | "annually" => {
            Some(error().label(format!("did you mean `@{text}`?")))
        }
        _ => None,
    }
}

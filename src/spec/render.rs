//! Diagnostics for people and for machines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::document::{Diagnostic, Label, Severity, SourceId, Sources};

/// Diagnostics as a person reads them: place, text with carets, cause and fix.
#[must_use]
pub fn render_text(diagnostics: &[Diagnostic], sources: &Sources, coloured: bool) -> String {
    let renderer = if coloured {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    let mut shown: HashMap<SourceId, Cow<'_, str>> = HashMap::new();
    for diagnostic in diagnostics {
        for label in std::iter::once(&diagnostic.primary).chain(&diagnostic.related) {
            let id = label.span.source;
            shown
                .entry(id)
                .or_insert_with(|| without_passwords(&sources.get(id).text));
        }
        text.push_str(&renderer.render(&[group(diagnostic, sources, &shown)]));
        text.push_str("\n\n");
    }
    text
}

/// The text with each password of a URL, as in `postgres://user:password@host`, made unreadable;
/// every byte keeps its place.
fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let end = rest.find(['/', '?', '#', '"', '\'', '\n', ' ', ',']);
        let authority = &rest[..end.unwrap_or(rest.len())];
        let Some((user, _)) = authority.rsplit_once('@') else {
            continue;
        };
        if let Some((name, password)) = user.split_once(':') {
            let start = at + 3 + name.len() + 1;
            let range = start..start + password.len();
            shown
                .to_mut()
                .replace_range(range, &"*".repeat(password.len()));
        }
    }
    shown
}

fn group<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
    shown: &'a HashMap<SourceId, Cow<'a, str>>,
) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut ids: Vec<SourceId> = vec![diagnostic.primary.span.source];
    for label in &diagnostic.related {
        if !ids.contains(&label.span.source) {
            ids.push(label.span.source);
        }
    }
    let mut group = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code)
        .elements(Vec::<Snippet<'a, Annotation<'a>>>::new());
    for id in ids {
        let source = sources.get(id);
        let text: &str = shown.get(&id).map_or(&source.text, |text| text);
        let labels = std::iter::once(&diagnostic.primary).chain(&diagnostic.related);
        let window = window(text, labels.filter(|label| label.span.source == id));
        let mut snippet = Snippet::source(&text[window.clone()])
            .path(source.path.to_string_lossy())
            .line_start(memchr::memchr_iter(b'\n', &text.as_bytes()[..window.start]).count() + 1);
        if diagnostic.primary.span.source == id {
            snippet = snippet.annotation(annotation(
                AnnotationKind::Primary,
                &diagnostic.primary,
                text,
                window.clone(),
            ));
        }
        for label in diagnostic.related.iter().filter(|l| l.span.source == id) {
            let context = annotation(AnnotationKind::Context, label, text, window.clone());
            snippet = snippet.annotation(context);
        }
        group = group.element(snippet);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// The lines that labels stand in: the renderer takes its time for every line it is given.
fn window<'a>(text: &str, labels: impl Iterator<Item = &'a Label>) -> Range<usize> {
    let starts: Vec<usize> = labels.map(|label| label.span.range().start).collect();
    let first = starts.iter().min().copied().unwrap_or(0);
    let last = starts.iter().max().copied().unwrap_or(0);
    let first = text.floor_char_boundary(first);
    let last = text.floor_char_boundary(last);
    let begin = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
    begin..begin + text[begin..end].trim_end_matches('\r').len()
}

/// The annotation of a label: of its first line only, since a whole map under carets hides more
/// than it shows.
fn annotation<'a>(
    kind: AnnotationKind,
    label: &'a Label,
    text: &str,
    window: Range<usize>,
) -> Annotation<'a> {
    let range = label.span.range();
    let start = range.start.min(text.len());
    let covered = text.get(start..range.end.min(text.len())).unwrap_or("");
    let first_line = covered.lines().next().unwrap_or("").trim_end();
    let start = start - window.start;
    let annotation = kind.span(start..start + first_line.len());
    if label.text.is_empty() {
        annotation
    } else {
        annotation.label(label.text.as_str())
    }
}

/// A diagnostic as JSON gives it.
#[derive(Debug, Serialize)]
struct JsonDiagnostic<'a> {
    severity: Severity,
    code: &'a str,
    message: &'a str,
    file: String,
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    end_line: usize,
    end_column: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// Diagnostics as a JSON array: severity, code, message, file, line, column, end, label, help.
#[must_use]
pub fn render_json(diagnostics: &[Diagnostic], sources: &Sources) -> serde_json::Value {
    let rows: Vec<JsonDiagnostic<'_>> = diagnostics
        .iter()
        .map(|diagnostic| {
            let span = diagnostic.primary.span;
            let range = span.range();
            let start = sources.position(span.source, range.start);
            let end = sources.position(span.source, range.end);
            JsonDiagnostic {
                severity: diagnostic.severity,
                code: diagnostic.code,
                message: &diagnostic.message,
                file: sources.get(span.source).path.to_string_lossy().into_owned(),
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                label: &diagnostic.primary.text,
                help: diagnostic.help.as_deref(),
            }
        })
        .collect();
    serde_json::to_value(rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn passwords_in_urls_are_not_shown() {
        for (text, expected) in [
            (
                "a: \"postgres://u:secret@h/d\"",
                "a: \"postgres://u:******@h/d\"",
            ),
            ("postgres://u:p@x@h", "postgres://u:***@h"),
            ("https://h:80/a@b", "https://h:80/a@b"),
            ("u: postgres://u@h/d", "u: postgres://u@h/d"),
        ] {
            assert_eq!(without_passwords(text), expected);
        }
    }
}

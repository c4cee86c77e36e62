//! Texts that YAML takes for something else because they aren't in quotes.

use std::ops::Range;

use crate::document::{Diagnostic, SourceId, Span};

/// A cron line such as `*/5 * * * *` or `@daily` or a template without quotes: `*` refers to an
/// anchor in YAML, `@` is reserved and `{` begins a map. Called when the document can't be read.
pub(super) fn unquoted(source: SourceId, text: &str) -> Option<Diagnostic> {
    let range = values(text).find(|range| {
        let value = &text[range.clone()];
        match value.strip_prefix('*') {
            Some(rest) => {
                let name = rest.split([' ', ',', ']', '}']).next().unwrap_or_default();
                name.is_empty() || !text.contains(&format!("&{name}"))
            }
            None => value.starts_with(['@', '`']) || value.starts_with("{{"),
        }
    })?;
    let value = &text[range.clone()];
    let first = if value.starts_with("{{") {
        "{{"
    } else {
        &value[..1]
    };
    Some(
        Diagnostic::error(
            "yaml-syntax",
            format!("a text that begins with `{first}` needs quotes"),
            Span::new(source, range.clone()),
        )
        .help(format!("write `\"{value}\"`")),
    )
}

/// What stands behind a `key:` or a `-` up to the end of the line, without a comment and, within
/// braces, up to a `,` or the end of the brace.
fn values(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut offset = 0;
    text.split_inclusive('\n').flat_map(move |line| {
        let begin = offset;
        offset += line.len();
        let mut found = Vec::new();
        for mark in [": ", "- ", "["] {
            for (at, _) in line.match_indices(mark) {
                let rest = &line[at + mark.len()..];
                let value = rest.trim_start();
                let start = begin + at + mark.len() + (rest.len() - value.len());
                let value = value.split(" #").next().unwrap_or_default().trim_end();
                let inside = line[..at].contains(['{', '[']) || mark == "[";
                if let Some(end) = value.strip_prefix("{{").and_then(|rest| rest.find("}}")) {
                    found.push(start..start + end + 4);
                    continue;
                }
                let value = if inside {
                    value
                        .split([',', '}', ']'])
                        .next()
                        .unwrap_or_default()
                        .trim_end()
                } else {
                    value
                };
                found.push(start..start + value.len());
            }
        }
        found.sort_by_key(|range| range.start);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::unquoted;
    use crate::document::{Report, SourceId};
    use crate::spec::read_yaml;

    #[test]
    fn lines_without_quotes_are_found_at_their_place() {
        for (text, covered) in [
            ("dag: x\nschedule: */5 * * * *  # often\n", "*/5 * * * *"),
            ("schedule: @daily\n", "@daily"),
            (
                "schedule: { cron: */5 * * * *, timezone: UTC }\n",
                "*/5 * * * *",
            ),
            ("schedule: { cron: @daily }\n", "@daily"),
            ("schedule:\n  - * * * * *\n", "* * * * *"),
            ("schedule: { cron: [*/5 9 * * *] }\n", "*/5 9 * * *"),
            ("a: &a 1\nb: *a\nc: *d\n", "*d"),
            ("foreach: {{ params.coins }}\n", "{{ params.coins }}"),
            (
                "a: [{{ params.coins | length }}, 3]\n",
                "{{ params.coins | length }}",
            ),
        ] {
            let mut report = Report::default();
            assert!(
                read_yaml(SourceId(0), text, &mut report).is_none(),
                "{text}"
            );
            let found = report.into_diagnostics();
            assert_eq!(found.len(), 1, "{text}: {found:#?}");
            assert_eq!(&text[found[0].primary.span.range()], covered, "{text}");
            assert!(
                found[0].message.contains("needs quotes"),
                "{text}: {found:#?}"
            );
        }
        assert_eq!(unquoted(SourceId(0), "a: [1, 2\nb: \"*/5\"\n"), None);
    }
}

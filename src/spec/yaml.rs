//! YAML text becomes a tree of nodes. Only this file and its tree name the YAML library.

mod tree;

use std::ops::Range;

use serde_yaml::options::DuplicateKeyPolicy;
use serde_yaml::{Error, Options};

use self::tree::{Tree, bytes};
use super::syntax::explain;
use crate::document::nesting::{open_blocks, open_brackets};
use crate::document::{Diagnostic, Entry, Node, Report, SourceId, Span, Value};

/// Deeper nesting is surely hostile.
const MAX_DEPTH: usize = 64;
/// Doubled keys reported for one file.
const MAX_DOUBLES: usize = 50;

/// Reads a YAML document into a tree. An empty document is [`Value::Null`]. Syntax errors and
/// doubled keys are reported; with doubled keys there still is a tree, made of the first ones.
pub fn read_yaml(source: SourceId, text: &str, report: &mut Report) -> Option<Node> {
    if text.trim().is_empty() {
        return Some(Node {
            value: Value::Null,
            span: Span::new(source, 0..0),
        });
    }
    // The library would go down a level for each, and run out of stack.
    if open_brackets(text) > 10 * MAX_DEPTH || open_blocks(text) > 4 * MAX_DEPTH {
        report.push(too_large(Span::new(source, 0..0)));
        return None;
    }
    // A doubled key stops the parser. Each is renamed in a copy, so that all of them, and
    // everything after them, are found in one go.
    let mut copy = text.to_owned();
    let mut doubles: Vec<Range<usize>> = Vec::new();
    loop {
        let policy = if doubles.len() < MAX_DOUBLES {
            DuplicateKeyPolicy::Error
        } else {
            DuplicateKeyPolicy::FirstWins
        };
        match serde_yaml::from_str_with_options::<Tree>(&copy, options(policy)) {
            Ok(tree) => {
                let mut node = tree.into_node(source, text);
                if !doubles.is_empty() {
                    drop_keys(&mut node, &doubles, report);
                }
                return Some(node);
            }
            Err(error) => {
                let error = error.without_snippet();
                if let Error::DuplicateMappingKey { location, .. } = error
                    && let Some(range) = bytes(location)
                    && rename(&mut copy, &range, doubles.len())
                {
                    doubles.push(range);
                    continue;
                }
                report.push(syntax_error(error, source, text));
                return None;
            }
        }
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    let mut options = serde_yaml::options! {
        duplicate_keys: duplicate_keys,
        strict_booleans: true,
        with_snippet: false,
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: 200_000,
        },
        budget: serde_yaml::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_events: 30_000_000,
            max_nodes: 15_000_000,
            max_documents: 2,
            max_recorded_anchor_events: 200_000,
        },
    };
    options.non_finite_float_policy = serde_yaml::options::NonFiniteFloatPolicy::AsString;
    options
}

/// Overwrites a key by another of the same length; `false` when it is too short for that.
fn rename(copy: &mut String, range: &Range<usize>, number: usize) -> bool {
    let name = format!("{number:02}");
    let room = range.len();
    if room < 2 || copy.get(range.clone()).is_none_or(|key| key.contains('\n')) {
        return false;
    }
    // A character that no sensible key starts with keeps it apart from real keys.
    let fill = if room > name.len() { "~" } else { "" };
    let replacement = format!("{fill}{name:_<width$}", width = room - fill.len());
    if replacement.len() != room {
        return false;
    }
    copy.replace_range(range.clone(), &replacement);
    true
}

/// Takes the renamed doubles out of the tree and reports each beside the key that came first.
fn drop_keys(node: &mut Node, doubles: &[Range<usize>], report: &mut Report) {
    match &mut node.value {
        Value::List(items) => {
            for item in items {
                drop_keys(item, doubles, report);
            }
        }
        Value::Map(entries) => {
            let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
            for mut entry in entries.drain(..) {
                if doubles.contains(&entry.key.span.range()) {
                    let first = kept.iter().find(|kept| kept.key.value == entry.key.value);
                    let mut diagnostic = Diagnostic::error(
                        "duplicate-key",
                        format!("key `{}` stands here twice", entry.key.value),
                        entry.key.span,
                    )
                    .label("remove one of them");
                    if let Some(first) = first {
                        diagnostic = diagnostic.related(first.key.span, "first here");
                    }
                    report.push(diagnostic);
                    continue;
                }
                drop_keys(&mut entry.value, doubles, report);
                kept.push(entry);
            }
            *entries = kept;
        }
        _ => {}
    }
}

/// What the library says, at the place it says; [`explain`] makes it understandable.
fn syntax_error(error: &Error, source: SourceId, text: &str) -> Diagnostic {
    let range = error.location().map_or(0..0, |location| {
        // Not every error has an offset; the line and the column are always there.
        let length = bytes(&location).map_or(0, |range| range.len());
        let start = offset(text, location.line(), location.column());
        start..(start + length).min(text.len())
    });
    let message = error.to_string();
    let over = match error {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => message.contains("recursion limit") || message.contains("budget breached"),
    };
    if over {
        return too_large(Span::new(source, range));
    }
    if let Error::MultipleDocuments { .. } = error {
        return Diagnostic::error(
            "yaml-syntax",
            "a file holds one document, here begins a second one",
            Span::new(source, range),
        )
        .help("put what follows `---` into a file of its own");
    }
    // The library says the place again at the end of its message.
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches([',', ' ', '.']);
    explain(message, source, text, range)
}

fn too_large(span: Span) -> Diagnostic {
    Diagnostic::error(
        "too-large",
        "the document is nested too deeply or expands to too much",
        span,
    )
    .help(format!(
        "at most {MAX_DEPTH} levels; write repeated parts out instead of using anchors"
    ))
}

/// The byte offset of a line and a column, both from 1; the column counts characters.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let before = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let start = match before.checked_sub(1) {
        None => 0,
        Some(nth) => memchr::memchr_iter(b'\n', text.as_bytes())
            .nth(nth)
            .map_or(text.len(), |at| at + 1),
    };
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = &text[start..];
    start
        + rest
            .char_indices()
            .nth(characters)
            .map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut report = Report::default();
        let node = read_yaml(SourceId(0), text, &mut report);
        (node, report.into_diagnostics())
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "a: 1.50\nbb:\n  - x\n  - {y: \"z z\", n: ~}\nc: |\n  line\n  two\nd: yes\n";
        let (node, found) = read(text);
        assert!(found.is_empty(), "{found:?}");
        let node = node.unwrap();
        let at = |node: &Node| &text[node.span.range()];
        assert_eq!(node.get("a").unwrap().value, Value::Number("1.50".into()));
        assert_eq!(at(node.get("a").unwrap()), "1.50");
        let Value::List(items) = &node.get("bb").unwrap().value else {
            panic!("a list")
        };
        assert_eq!(at(&items[0]), "x");
        assert_eq!(at(items[1].get("y").unwrap()), "\"z z\"");
        assert_eq!(items[1].get("n").unwrap().value, Value::Null);
        assert_eq!(node.get("c").unwrap().as_text(), Some("line\ntwo\n"));
        assert_eq!(node.get("d").unwrap().as_text(), Some("yes"));
        let keys: Vec<&str> = node
            .as_map()
            .unwrap()
            .iter()
            .map(|entry| &text[entry.key.span.range()])
            .collect();
        assert_eq!(keys, ["a", "bb", "c", "d"]);
    }

    #[test]
    fn every_doubled_key_is_found_and_the_rest_is_read() {
        let (node, found) = read("abc: 1\nabc: 2\nd: {eee: 1, eee: 2, f: 3}\nabc: 3\n");
        let lines: Vec<(u32, &str)> = found
            .iter()
            .map(|d| (d.primary.span.start, d.message.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                (7, "key `abc` stands here twice"),
                (26, "key `eee` stands here twice"),
                (40, "key `abc` stands here twice"),
            ]
        );
        let node = node.unwrap();
        assert_eq!(node.get("abc").unwrap().value, Value::Number("1".into()));
        assert!(node.get("d").unwrap().get("f").is_some());
    }

    #[test]
    fn syntax_errors_and_bombs_are_reported() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        for (text, code) in [
            ("a: [1, 2", "yaml-syntax"),
            ("a: b: c", "yaml-syntax"),
            ("a: 1\n\tb: 2", "yaml-syntax"),
            ("a: 1\n---\nb: 2", "yaml-syntax"),
            (deep.as_str(), "too-large"),
            (bomb, "too-large"),
        ] {
            let (_, found) = read(text);
            assert_eq!(found.len(), 1, "{text:.40}: {found:?}");
            assert_eq!(found[0].code, code, "{text:.40}: {found:?}");
        }
    }

    #[test]
    fn any_word_can_be_a_key() {
        let (node, found) = read("null: 1\ntrue: 2\n5: 3\n1.50: 4\n~: 5\n'on': 6\nyes: 7\n");
        assert!(found.is_empty(), "{found:?}");
        let node = node.unwrap();
        let keys = node
            .as_map()
            .unwrap()
            .iter()
            .map(|entry| entry.key.to_string());
        let keys: Vec<String> = keys.collect();
        assert_eq!(keys, ["null", "true", "5", "1.50", "~", "on", "yes"]);
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let (node, found) = read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n");
        assert!(found.is_empty(), "{found:?}");
        let y = node.unwrap().get("y").unwrap().clone();
        assert_eq!(y.get("a").unwrap().value, Value::Number("1".into()));
        assert_eq!(y.get("b").unwrap().value, Value::Number("3".into()));
    }
}

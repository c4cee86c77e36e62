//! Better places for mistakes that concern a whole value.

use std::collections::HashMap;

use crate::document::{Node, Report, Span, Value};

/// Moves diagnostics from a map or list of several lines to the key that it belongs to: carets
/// under its first entry would blame the wrong one. Looks at diagnostics from `before` on.
pub fn point_at_keys(root: &Node, before: usize, report: &mut Report) {
    let mut wanted: HashMap<Span, Option<Span>> = HashMap::new();
    for diagnostic in &report.diagnostics()[before..] {
        if diagnostic.primary.span.source == root.span.source {
            wanted.insert(diagnostic.primary.span, None);
        }
    }
    if wanted.is_empty() {
        return;
    }
    find(root, &mut wanted);
    report.revise(before, |diagnostic| {
        if let Some(Some(key)) = wanted.get(&diagnostic.primary.span) {
            diagnostic.primary.span = *key;
        }
    });
}

fn find(node: &Node, wanted: &mut HashMap<Span, Option<Span>>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| find(item, wanted)),
        Value::Map(entries) => {
            for entry in entries {
                // In braces it is under carets as a whole; as a block it has no extent.
                let span = entry.value.span;
                let block = matches!(entry.value.value, Value::List(_) | Value::Map(_))
                    && span.start == span.end;
                if block && let Some(key) = wanted.get_mut(&span) {
                    *key = Some(entry.key.span);
                }
                find(&entry.value, wanted);
            }
        }
        _ => {}
    }
}

//! `${NAME}` and `${NAME:-default}` in the texts of `runner.yaml`.

use std::ops::Range;

use crate::document::{Diagnostic, Node, Report, Span, Value, nearest};
use crate::secret::Environment;

/// Replaces every reference to an environment variable below a node. `$${` is a literal `${`.
pub fn interpolate(node: &mut Node, environment: &Environment, report: &mut Report) {
    match &mut node.value {
        Value::Text(text) if text.contains("${") => match expand(text, environment) {
            Ok(expanded) => *text = expanded.into(),
            Err(failure) => report.push(failure.diagnostic(text, node.span, environment)),
        },
        Value::List(items) => {
            for item in items {
                interpolate(item, environment, report);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                interpolate(&mut entry.value, environment, report);
            }
        }
        _ => {}
    }
}

/// Why a reference can't be replaced.
#[derive(Debug)]
struct Failure {
    /// Bytes of the text.
    place: Range<usize>,
    /// The variable that is missing, if that is the reason.
    missing: Option<String>,
    message: String,
}

impl Failure {
    fn diagnostic(self, text: &str, span: Span, environment: &Environment) -> Diagnostic {
        // In quotes without escapes, or plain.
        let quote = span.range().len().saturating_sub(text.len()) / 2;
        let span = if span.range().len() <= text.len() + 2 {
            span.slice(self.place.start + quote..self.place.end + quote)
        } else {
            span
        };
        let Some(name) = self.missing else {
            return Diagnostic::error("invalid-value", self.message, span)
                .help("a reference is `${NAME}` or `${NAME:-default}`; `$${` is a plain `${`");
        };
        let diagnostic = Diagnostic::error("unset-variable", self.message, span);
        match nearest(&name, environment.names()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!(
                "set it in the environment or in `.env`, or give a default: `${{{name}:-…}}`"
            )),
        }
    }
}

fn expand(text: &str, environment: &Environment) -> Result<String, Failure> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            expanded.push_str(&rest[..at]);
            expanded.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        expanded.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let start = text.len() - rest.len() + at;
        let failure = |length: usize, missing: Option<&str>, message: String| Failure {
            place: start..start + length,
            missing: missing.map(str::to_owned),
            message,
        };
        let end = inner
            .find('}')
            .ok_or_else(|| failure(rest.len() - at, None, "`${` isn't closed".to_owned()))?;
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) {
            return Err(failure(
                end + 3,
                None,
                format!("`{name}` is no name of a variable"),
            ));
        }
        match environment.get(name).or(default) {
            Some(value) => expanded.push_str(value),
            None => {
                return Err(failure(
                    end + 3,
                    Some(name),
                    format!("the environment variable `{name}` isn't set"),
                ));
            }
        }
        rest = &inner[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced() {
        let environment = Environment::from_pairs(&[("A", "1"), ("EMPTY", "")]);
        for (text, expected) in [
            ("${A}", Ok("1")),
            ("x${A}y${B:-two}", Ok("x1ytwo")),
            ("${EMPTY:-e}", Ok("e")),
            ("${B:-}", Ok("")),
            ("a $${A} b", Ok("a ${A} b")),
            ("${B}", Err("isn't set")),
            ("${A", Err("isn't closed")),
            ("${A B}", Err("no name")),
        ] {
            match (expand(text, &environment), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{text}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}

//! Filters and tests that don't exist: the library notices them only when it renders.

use std::ops::Range;

use minijinja::ErrorKind;

use super::engine::{Kind, environment};
use super::{Template, TemplateError};
use crate::document::nearest;

/// Those that people mistype, for "did you mean".
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "date",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "shift",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
];
const TESTS: &[&str] = &[
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Finds the first filter or test that doesn't exist.
///
/// # Errors
/// Its name and place, with the nearest one that exists.
pub(super) fn refuse_unknown_names(template: &Template) -> Result<(), TemplateError> {
    let text = template.source();
    let ranges = match template.kind() {
        Kind::Literal => return Ok(()),
        Kind::Expression(range) => vec![range.clone()],
        // What is raw isn't read.
        Kind::Text if text.contains("raw") => return Ok(()),
        Kind::Text => tags(text),
    };
    for range in ranges {
        for (what, name) in uses(text, range) {
            let exists = match what {
                Use::Filter => probe(&format!("none|{}", &text[name.clone()])),
                Use::Test => probe(&format!("none is {}", &text[name.clone()])),
            };
            if !exists {
                return Err(unknown(what, text, name));
            }
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Use {
    Filter,
    Test,
}

fn unknown(what: Use, text: &str, range: Range<usize>) -> TemplateError {
    let name = &text[range.clone()];
    let (word, known) = match what {
        Use::Filter => ("filter", FILTERS),
        Use::Test => ("test", TESTS),
    };
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!(": did you mean `{near}`?"),
        None => String::new(),
    };
    TemplateError {
        message: format!("there is no {word} `{name}`{hint}"),
        range: Some(range),
    }
}

/// Whether an expression uses nothing unknown; other failures don't matter.
fn probe(expression: &str) -> bool {
    let compiled = environment().compile_expression(expression);
    let evaluated = compiled.and_then(|expression| expression.eval(()));
    !evaluated.is_err_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest
        )
    })
}

/// The insides of `{{ … }}` and `{% … %}`.
fn tags(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let end = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                from = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let Some(close) = text[start..].find(end).map(|at| start + at) else {
            break;
        };
        if end != "#}" {
            found.push(start..close);
        }
        from = close + 2;
    }
    found
}

/// The names behind `|` and `is` in an expression, outside of quotes.
fn uses(text: &str, range: Range<usize>) -> Vec<(Use, Range<usize>)> {
    let bytes = text.as_bytes();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let next_word = |from: usize| {
        let start = from
            + bytes[from..range.end]
                .iter()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
        let length = bytes[start..range.end]
            .iter()
            .take_while(|b| word(**b))
            .count();
        start..start + length
    };
    let mut found = Vec::new();
    let mut quote = None;
    let mut at = range.start;
    while at < range.end {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if byte == b'|' => {
                let name = next_word(at + 1);
                if !name.is_empty() {
                    found.push((Use::Filter, name));
                }
            }
            None if word(byte) => {
                let name = next_word(at);
                let attribute = at > range.start && bytes[at - 1] == b'.';
                if &text[name.clone()] == "is" && !attribute {
                    let mut tested = next_word(name.end);
                    if &text[tested.clone()] == "not" {
                        tested = next_word(tested.end);
                    }
                    if !tested.is_empty() {
                        found.push((Use::Test, tested));
                    }
                }
                at = name.end.max(at + 1);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_filters_and_tests_are_found() {
        for (text, expected) in [
            ("{{ a | upper | length }}", None),
            (
                "{{ a|dat('%Y') }}",
                Some("there is no filter `dat`: did you mean `date`?"),
            ),
            (
                "x {{ a | nothing_like_it }}",
                Some("there is no filter `nothing_like_it`"),
            ),
            ("{{ 'a | nofilter' }}", None),
            (
                "{{ a is definde }}",
                Some("there is no test `definde`: did you mean `defined`?"),
            ),
            ("{% if a is not none %}x{% endif %}", None),
            ("{{ a.is }}", None),
            ("{# a | nofilter #}{{ b }}", None),
            ("{{ run.start | shift('-1d') | date }}", None),
        ] {
            let message = Template::parse(text).err().map(|error| error.message);
            assert_eq!(message.as_deref(), expected, "{text}");
        }
    }
}

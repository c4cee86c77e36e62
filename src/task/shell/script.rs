//! What the text of a script may not hold.

use super::results::is_name;
use crate::document::{Diagnostic, Spanned};
use crate::task::Surroundings;
use crate::template::{Segment, Template, segments};

/// A value in a script would be read as code, so that there are none.
pub(super) fn check(script: &Spanned<String>, surroundings: &mut Surroundings<'_>) -> bool {
    let text = script.value.as_str();
    if text.trim().is_empty() {
        surroundings.report.push(
            Diagnostic::error("invalid-value", "the script is empty", script.span)
                .label("nothing to run")
                .help("a task that does nothing needs no kind: `task: {}`"),
        );
        return false;
    }
    let mut fine = true;
    for segment in segments(text) {
        let Segment::Expression(range) = segment else {
            continue;
        };
        let found = &text[range.clone()];
        let Ok(template) = Template::parse(found) else {
            // Somebody else's braces, such as `docker ps --format '{{.Names}}'`.
            continue;
        };
        let inner = found.trim_matches(['{', '}']).trim();
        let go = inner.split_whitespace().any(|word| word.starts_with('.'));
        if go || matches!(inner, "" | "end" | "else") {
            continue;
        }
        fine = false;
        let span = surroundings.place(script, range.clone());
        let name = variable_name(&template, inner);
        surroundings.report.push(
            Diagnostic::error(
                "value-in-script",
                format!("`{found}` in a script: a value would be run as code"),
                span,
            )
            .label(format!("write `\"${name}\"` here"))
            .help(format!(
                "add `env: {{ {name}: \"{}\" }}` beside `script:`; text that only looks like a \
                 value can stand in a `file:`",
                found.replace('"', "'")
            )),
        );
    }
    fine
}

/// A variable's name for an expression: `DAY` for `params.day`.
fn variable_name(template: &Template, inner: &str) -> String {
    let paths = template.variables();
    let path = paths.first().map_or(inner, String::as_str);
    let last = path.rsplit('.').next().unwrap_or(path);
    let name: String = last
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect::<String>()
        .to_uppercase();
    if is_name(&name) {
        name
    } else {
        "VALUE".to_owned()
    }
}

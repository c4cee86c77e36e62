//! Values with units, read out of nodes.

use std::time::Duration;

use schemars::{Schema, json_schema};

use super::{Diagnostic, FromNode, Node, Report, Value, units};

/// Reads a text with a unit, such as `30s`, and explains what is wrong with it.
pub fn read_unit<T>(
    node: &Node,
    report: &mut Report,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Number(digits) => {
            report.push(
                Diagnostic::error(
                    "missing-unit",
                    format!("`{digits}` has no unit: expected {what}"),
                    node.span,
                )
                .label("which unit?"),
            );
            return None;
        }
        _ => {
            report.expected(what, node);
            return None;
        }
    };
    match parse(text) {
        Ok(value) => Some(value),
        Err(message) => {
            report.push(
                Diagnostic::error("invalid-value", message, node.span)
                    .label(format!("expected {what}")),
            );
            None
        }
    }
}

impl FromNode for Duration {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        read_unit(
            node,
            report,
            "a duration such as `30s`, `5m` or `1h30m`",
            units::parse_duration,
        )
    }
    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": units::DURATION_PATTERN,
            "examples": ["30s", "5m", "1h30m"]
        })
    }
}

/// A number of bytes, such as `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromNode for ByteSize {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        read_unit(
            node,
            report,
            "a size such as `64MiB` or `10MB`",
            units::parse_size,
        )
        .map(Self)
    }
    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": units::SIZE_PATTERN,
            "examples": ["64MiB", "10MB"]
        })
    }
}

//! `1200x675`.

use schemars::{Schema, json_schema};

use crate::document::{Diagnostic, FromNode, Node, Report};

/// Width and height of a picture, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Size {
    /// That of a slide.
    pub(super) const USUAL: Self = Self {
        width: 1200,
        height: 675,
    };

    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl FromNode for Size {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let Some(text) = node.as_text() else {
            report.expected("a text such as `1200x675`", node);
            return None;
        };
        let read = text.split_once('x').and_then(|(width, height)| {
            let (width, height) = (width.trim().parse().ok()?, height.trim().parse().ok()?);
            Some(Self { width, height })
        });
        let allowed = 100..=8000;
        match read {
            Some(size) if allowed.contains(&size.width) && allowed.contains(&size.height) => {
                Some(size)
            }
            found => {
                let message = match found {
                    Some(_) => format!("a side of `{text}` isn't from 100 to 8000 pixels"),
                    None => format!("`{text}` is no size of a picture"),
                };
                report.push(
                    Diagnostic::error("invalid-value", message, node.span)
                        .label("expected width and height in pixels, such as `1200x675`"),
                );
                None
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ *x *[0-9]+$", "examples": ["1200x675"] })
    }
}

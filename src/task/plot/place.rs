//! Where a picture goes.

use std::path::{Path, PathBuf};

use crate::document::{Diagnostic, FromNode, Node, Report, Spanned};
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::Template;

/// A `to` as it is written: the path of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToRecord(Spanned<String>);

impl FromNode for ToRecord {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        Spanned::from_node(node, report).map(Self)
    }

    fn schema() -> schemars::Schema {
        String::schema()
    }
}

/// What the extension of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureFormat {
    Png,
    Svg,
}

impl PictureFormat {
    fn of(path: &str) -> Option<Self> {
        let extension = Path::new(path).extension()?.to_str()?;
        if extension.eq_ignore_ascii_case("png") {
            Some(Self::Png)
        } else if extension.eq_ignore_ascii_case("svg") {
            Some(Self::Svg)
        } else {
            None
        }
    }
}

/// A checked `to`.
#[derive(Debug)]
pub(super) struct Target(Template);

impl Target {
    pub(super) fn read(to: &ToRecord, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let ToRecord(path) = to;
        let template = surroundings.template(path)?;
        if template.is_literal() && PictureFormat::of(path).is_none() {
            surroundings.report.push(
                Diagnostic::error(
                    "unknown-format",
                    format!("the extension of `{}` doesn't say what to draw", path.value),
                    path.span,
                )
                .label("expected `.png` or `.svg`"),
            );
            return None;
        }
        Some(Self(template))
    }

    /// The place for an attempt.
    pub(super) fn place(&self, attempt: &AttemptContext) -> Result<Place, TaskFailure> {
        let shown = self.0.render(&attempt.scope)?;
        let format = PictureFormat::of(&shown).ok_or_else(|| {
            TaskFailure::permanent(format!(
                "the extension of `{shown}` doesn't say what to draw: it has to be `.png` or `.svg`"
            ))
        })?;
        Ok(Place {
            path: attempt.places.root.join(&shown),
            shown,
            format,
        })
    }
}

/// A file to be made.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// As the pipeline has it.
    pub(super) shown: String,
    pub(super) format: PictureFormat,
}

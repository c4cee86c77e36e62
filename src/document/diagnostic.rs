//! Mistakes found in a project, as data.

use super::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The project can't be used.
    Error,
    /// The project can be used, but something is probably not what its author meant.
    Warning,
    /// Something worth knowing, such as a weaker guarantee.
    Note,
}

/// A remark at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    /// Stands beside the carets; may be empty.
    pub text: String,
}

/// A mistake: what, where, why, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable name for machines, such as `unknown-key`.
    pub code: &'static str,
    /// Lowercase, literals in backticks, no final period.
    pub message: String,
    /// The place of the mistake.
    pub primary: Label,
    /// Other places that explain it.
    pub related: Vec<Label>,
    /// How to fix it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            primary: Label {
                span,
                text: String::new(),
            },
            related: Vec::new(),
            help: None,
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message, span)
        }
    }

    /// Something worth knowing at a place.
    #[must_use]
    pub fn note(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::error(code, message, span)
        }
    }

    /// Text beside the carets.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Another place that explains the mistake.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// How to fix it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// "did you mean `x`?" beside the carets when a known name is near, otherwise the known names
    /// as help.
    #[must_use]
    pub fn suggest<'a>(
        self,
        wrong: &str,
        known: impl IntoIterator<Item = &'a str>,
        what: &str,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        if let Some(near) = nearest(wrong, known.iter().copied()) {
            return self.label(format!("did you mean `{near}`?"));
        }
        match known.as_slice() {
            [] => self,
            [only] => self.help(format!("the only {what} is `{only}`")),
            names if names.len() <= 24 => {
                let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let plural = match what.strip_suffix('y') {
                    Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
                    _ => format!("{what}s"),
                };
                self.help(format!("known {plural}: {}", list.join(", ")))
            }
            _ => self,
        }
    }
}

/// The known name that `wrong` is most probably meant to be, if one is near enough.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    let length = lower.chars().count();
    known
        .into_iter()
        .filter_map(|name| {
            let other_length = name.chars().count();
            let allowed = (length.max(other_length) / 3).clamp(1, 4);
            if length.abs_diff(other_length) > allowed {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            (distance <= allowed).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["schedule", "tasks", "needs", "if"];
        for (wrong, expected) in [
            ("shedule", Some("schedule")),
            ("Schedule", Some("schedule")),
            ("need", Some("needs")),
            ("taks", Some("tasks")),
            ("completely", None),
        ] {
            assert_eq!(nearest(wrong, known), expected, "{wrong}");
        }
    }
}

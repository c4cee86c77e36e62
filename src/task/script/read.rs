//! A script as the YAML gives it: a file, or a text; and values for its names.

use schemars::Schema;

use super::code::{Checked, Frame, Home, Unparsed};
use crate::connection::Dialect;
use crate::document::{Diagnostic, Map, Node, Span, Spanned};
use crate::task::Surroundings;
use crate::template::TemplateValue;

/// The keys that give a script, in a map of any kind.
pub(in crate::task) struct Given<'a> {
    /// A file in the project.
    pub(in crate::task) file: Option<&'a Spanned<String>>,
    /// The statements themselves.
    pub(in crate::task) text: Option<&'a Spanned<String>>,
    /// The key that gives them: `script`.
    pub(in crate::task) key: &'static str,
    /// The whole map.
    pub(in crate::task) span: Span,
    /// What the map describes: `a sql task`.
    pub(in crate::task) what: &'static str,
    /// Where the map is in its task: `sql`, `copy.from`.
    pub(in crate::task) at: &'static str,
}

/// Checks values for the names of a script, beside the DAG's parameters.
fn read_params(
    params: &Map<Node>,
    surroundings: &mut Surroundings<'_>,
) -> Option<Vec<(String, TemplateValue)>> {
    let read: Vec<_> = params
        .0
        .iter()
        .map(|(name, node)| Some((name.value.clone(), surroundings.template_value(node)?)))
        .collect();
    read.into_iter().collect()
}

/// The shape of a map that gives a script under one of two keys.
pub(in crate::task) fn either(mut schema: Schema, key: &str) -> Schema {
    let either = serde_json::json!([{ "required": ["file"] }, { "required": [key] }]);
    schema.ensure_object().insert("oneOf".to_owned(), either);
    schema
}

impl Given<'_> {
    /// Where the script is given, for mistakes in it as a whole.
    pub(in crate::task) fn place(&self) -> Span {
        let given = self.text.or(self.file);
        given.map_or(self.span, |text| text.span)
    }

    /// Reads the script and the values for its names, and checks them.
    pub(in crate::task) fn check(
        &self,
        params: &Map<Node>,
        dialect: Option<Dialect>,
        frame: Frame,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Checked> {
        let code = self.read(surroundings);
        let params = read_params(params, surroundings);
        Checked::read(code?, dialect, &params?, frame, surroundings)
    }

    /// The text of the script.
    fn read(&self, surroundings: &mut Surroundings<'_>) -> Option<Unparsed> {
        let key = self.key;
        match (self.file, self.text) {
            (Some(file), None) => {
                let found = surroundings.code_file(file)?;
                Some(Unparsed {
                    name: found.path,
                    text: found.text,
                    home: Home::File(found.source),
                })
            }
            (None, Some(script)) => {
                if is_path(script) {
                    surroundings.report.push(
                        Diagnostic::error(
                            "path-as-a-script",
                            format!("`{}` is the path of a file, not SQL", script.value),
                            script.span,
                        )
                        .label(format!("did you mean `file: {}`?", script.value)),
                    );
                    return None;
                }
                Some(Unparsed {
                    name: format!("{}.{}.{key}", surroundings.task, self.at),
                    text: script.value.as_str().into(),
                    home: Home::Inline {
                        text: script.clone(),
                        spelled: surroundings.project.source_text(script.span.source),
                    },
                })
            }
            (Some(_), Some(script)) => {
                surroundings.report.push(
                    Diagnostic::error(
                        "two-scripts",
                        format!("`file` and `{key}` are both given"),
                        script.span,
                    )
                    .label("remove one of them"),
                );
                None
            }
            (None, None) => {
                surroundings.report.push(
                    Diagnostic::error(
                        "missing-key",
                        format!("{} needs `file` or `{key}`", self.what),
                        self.span,
                    )
                    .label(format!("add `file:` or `{key}:`")),
                );
                None
            }
        }
    }
}

/// No statement is one word that ends like this.
fn is_path(script: &str) -> bool {
    let script = script.trim();
    let extension = std::path::Path::new(script).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
        && !script.contains(char::is_whitespace)
}

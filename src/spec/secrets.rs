//! `{ secret: … }` in the connections of `runner.yaml`: where a text comes from that nobody may see.

use std::path::{Path, PathBuf};

use schemars::Schema;
use serde_json::{Value as Json, json};

use crate::connection::Places;
use crate::document::{Diagnostic, FromNode, Node, Report, Span, Spanned, Value, nearest};
use crate::secret::{Environment, Secret, secret_of_bytes, secret_of_command};

crate::record! {
    /// A text that is kept elsewhere and masked wherever it would be seen.
    struct Reference as "a secret" {
        /// The name of a variable in the environment or in `.env`; or `{ file: path }`, `{ command: line }`.
        secret: Source,
        /// The text when the variable isn't set.
        default: Option<String>,
    }
}

crate::record! {
    /// Where a secret is kept.
    struct Elsewhere as "a secret's place" {
        /// A file, relative to the project; the newline at its end doesn't count.
        file: Option<Spanned<String>>,
        /// A line for the shell that prints it. It is run when a run needs it, not by `runner check`.
        command: Option<Spanned<String>>,
    }
}

/// Where a secret is kept, as it is written.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    Variable(Spanned<String>),
    Elsewhere(Elsewhere),
}

impl FromNode for Source {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Map(_) => Elsewhere::from_node(node, report).map(Self::Elsewhere),
            Value::Text(_) => Spanned::from_node(node, report).map(Self::Variable),
            _ => {
                report.expected("a variable's name, `{ file: … }` or `{ command: … }`", node);
                None
            }
        }
    }

    fn schema() -> Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, Elsewhere::schema()] })
    }
}

/// The shape of a reference.
pub fn secret_schema() -> Json {
    Reference::schema().to_value()
}

/// Lets a reference stand for every free text in a schema.
pub fn allow_secrets(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            let free = object.get("type") == Some(&json!("string")) && !object.contains_key("enum");
            if free {
                let description = object.shift_remove("description");
                let text = Json::Object(std::mem::take(object));
                object.extend(description.map(|text| ("description".to_owned(), text)));
                let mut forms = vec![text];
                if forms[0].get("pattern").is_some() {
                    // A variable in its place.
                    forms.push(json!({ "type": "string", "pattern": r"\$\{\w+" }));
                }
                forms.push(json!({ "$ref": "#/$defs/secret" }));
                object.insert("anyOf".to_owned(), Json::Array(forms));
                return;
            }
            object.values_mut().for_each(allow_secrets);
        }
        Json::Array(items) => items.iter_mut().for_each(allow_secrets),
        _ => {}
    }
}

/// What became of the references of a connection.
#[derive(Debug, Default)]
pub struct Revealed {
    pub secrets: Vec<Secret<String>>,
    /// A secret isn't known now: a command would have to be run.
    pub unknown: bool,
}

/// Puts the texts in the place of the references below a node.
pub fn reveal(
    node: &mut Node,
    places: &Places,
    environment: &Environment,
    report: &mut Report,
) -> Revealed {
    let mut revealed = Revealed::default();
    let around = Around {
        places,
        environment,
    };
    around.visit(node, report, &mut revealed);
    revealed
}

struct Around<'a> {
    places: &'a Places,
    environment: &'a Environment,
}

impl Around<'_> {
    fn visit(&self, node: &mut Node, report: &mut Report, revealed: &mut Revealed) {
        if node.get("secret").is_some() {
            self.replace(node, report, revealed);
            return;
        }
        match &mut node.value {
            Value::List(items) => {
                for item in items {
                    self.visit(item, report, revealed);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.visit(&mut entry.value, report, revealed);
                }
            }
            _ => {}
        }
    }

    fn replace(&self, node: &mut Node, report: &mut Report, revealed: &mut Revealed) {
        let reference = Reference::from_node(node, report);
        // With a mistake in it there is nothing to go on with; it has been told.
        node.value = Value::Text("".into());
        let Some(reference) = reference else { return };
        match self.find(&reference, node.span) {
            Ok(Some(text)) => {
                node.value = Value::Text(text.as_str().into());
                revealed.secrets.push(Secret::new(text));
            }
            Ok(None) => revealed.unknown = true,
            Err(diagnostic) => report.push(*diagnostic),
        }
    }

    /// The text; `None` when a command would have to be run for it.
    fn find(&self, reference: &Reference, span: Span) -> Result<Option<String>, Box<Diagnostic>> {
        let default = || reference.default.clone();
        let elsewhere = match &reference.secret {
            Source::Variable(name) => {
                let found = self.environment.get(name).map(str::to_owned);
                return match found.or_else(default) {
                    Some(text) => Ok(Some(text)),
                    None => Err(Box::new(self.unset(name))),
                };
            }
            Source::Elsewhere(elsewhere) => elsewhere,
        };
        let failed = |place: &Spanned<String>, what: &str, reason: String| {
            let message = format!("no secret from {what} `{}`: {reason}", place.value);
            Box::new(Diagnostic::error("no-secret", message, place.span))
        };
        match (&elsewhere.file, &elsewhere.command) {
            (Some(file), None) => {
                let path = self.path(file);
                match std::fs::read(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => match default() {
                        Some(text) => Ok(Some(text)),
                        None => Err(failed(file, "file", "it doesn't exist".to_owned())),
                    },
                    Err(error) => Err(failed(file, "file", error.to_string())),
                    Ok(bytes) => secret_of_bytes(bytes)
                        .map(Some)
                        .map_err(|reason| failed(file, "file", reason)),
                }
            }
            (None, Some(_)) if !self.environment.runs_commands() => Ok(None),
            (None, Some(line)) => secret_of_command(line)
                .map(Some)
                .map_err(|reason| failed(line, "command", reason)),
            _ => Err(Box::new(
                Diagnostic::error(
                    "wrong-shape",
                    "a secret has one place: a variable's name, `file` or `command`",
                    span,
                )
                .help("for example `{ secret: API_KEY }` or `{ secret: { file: /run/secrets/api_key } }`"),
            )),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.places.root.join(Path::new(file))
    }

    fn unset(&self, name: &Spanned<String>) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            "unset-variable",
            format!("the secret `{}` isn't set", name.value),
            name.span,
        );
        match nearest(name, self.environment.names()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!(
                "set `{}` in the environment or in `.env`, or give a `default`",
                name.value
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_may_stand_for_every_free_text() {
        let mut schema = json!({
            "properties": {
                "url": { "type": "string", "description": "where" },
                "mode": { "type": "string", "enum": ["a"] },
                "size": { "type": "integer" },
            }
        });
        allow_secrets(&mut schema);
        assert_eq!(
            schema,
            json!({
                "properties": {
                    "url": {
                        "description": "where",
                        "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/secret" }],
                    },
                    "mode": { "type": "string", "enum": ["a"] },
                    "size": { "type": "integer" },
                }
            })
        );
    }
}

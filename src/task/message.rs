//! Messages to people before their templates are filled in: of the kind `notify`, and of what is told
//! about runs by itself.

use schemars::{Schema, json_schema};

use super::Surroundings;
use crate::connection::Message;
use crate::document::{Diagnostic, FromNode, Map, Node, Report, Span, Spanned, Value};
use crate::model::ConnectionId;
use crate::template::{Scope, Template, TemplateError, TemplateValue};

/// The kinds of connections that carry messages.
pub const CARRIERS: &[&str] = &["webhook", "smtp"];

/// A message as the language has it.
pub struct MessageParts<'a> {
    pub connection: &'a Spanned<String>,
    pub text: Option<&'a Spanned<String>>,
    pub title: Option<&'a Spanned<String>>,
    pub fields: &'a Map<FieldText>,
    pub to: &'a [Spanned<String>],
    pub channel: Option<&'a Spanned<String>>,
    pub json: Option<&'a Node>,
}

/// A checked message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageTemplate {
    pub connection: ConnectionId,
    pub text: Option<Template>,
    pub title: Option<Template>,
    pub fields: Vec<(String, Template)>,
    pub to: Vec<Template>,
    pub channel: Option<Template>,
    pub json: Option<TemplateValue>,
}

impl MessageTemplate {
    /// Checks the connection, the templates, and that the connection has a place for what is said.
    pub fn read(parts: &MessageParts<'_>, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let connection = surroundings.connection(parts.connection, CARRIERS);
        let mut fine = check_places(parts, surroundings);
        let mut template = |text: &Spanned<String>| {
            let template = surroundings.template(text);
            fine &= template.is_some();
            template
        };
        let text = parts.text.and_then(&mut template);
        let title = parts.title.and_then(&mut template);
        let channel = parts.channel.and_then(&mut template);
        let to = parts.to.iter().filter_map(&mut template).collect();
        let fields = parts.fields.0.iter();
        let fields = fields
            .filter_map(|(name, FieldText(text))| Some((name.value.clone(), template(text)?)))
            .collect();
        let json = match parts.json {
            Some(json) => Some(surroundings.template_value(json)?),
            None => None,
        };
        let connection = connection?;
        fine.then_some(Self {
            connection,
            text,
            title,
            fields,
            to,
            channel,
            json,
        })
    }

    /// The message for a scope. `key` is the same at every try.
    ///
    /// # Errors
    /// A template that fails.
    pub fn render(&self, scope: &Scope, key: String) -> Result<Message, TemplateError> {
        let text = |template: &Option<Template>| match template {
            Some(template) => template.render(scope).map(Some),
            None => Ok(None),
        };
        let fields = self.fields.iter();
        let to = self.to.iter();
        Ok(Message {
            title: text(&self.title)?,
            text: text(&self.text)?.unwrap_or_default(),
            fields: fields
                .map(|(name, value)| Ok((name.clone(), value.render(scope)?)))
                .collect::<Result<_, TemplateError>>()?,
            to: to
                .map(|to| to.render(scope))
                .collect::<Result<Vec<_>, _>>()?,
            channel: text(&self.channel)?,
            json: match &self.json {
                Some(json) => Some(json.evaluate(scope)?),
                None => None,
            },
            key,
        })
    }
}

/// What the connection has no place for, and what contradicts.
fn check_places(parts: &MessageParts<'_>, surroundings: &mut Surroundings<'_>) -> bool {
    let kind = surroundings.project.connection_kind(parts.connection);
    let conflict = |message: String, span: Span, label: String| {
        Diagnostic::error("conflicting-keys", message, span).label(label)
    };
    let mut mistakes = Vec::new();
    if let (Some(text), Some(_)) = (parts.text, parts.json) {
        mistakes.push(conflict(
            "`json` is the whole message, `text` would not be sent".to_owned(),
            text.span,
            "leave one of them".to_owned(),
        ));
    }
    if kind == Some("webhook")
        && let Some(to) = parts.to.first()
    {
        mistakes.push(conflict(
            "a webhook has no addresses".to_owned(),
            to.span,
            "`to` is for a connection of kind `smtp`".to_owned(),
        ));
    }
    if kind == Some("smtp") {
        let channel = parts.channel.map(|text| text.span);
        let json = parts.json.map(|json| json.span);
        for (name, what, span) in [
            ("channel", "channels", channel),
            ("json", "bodies of requests", json),
        ] {
            let Some(span) = span else { continue };
            mistakes.push(conflict(
                format!("a mail server has no {what}"),
                span,
                format!("`{name}` is for a connection of kind `webhook`"),
            ));
        }
    }
    let fine = mistakes.is_empty();
    for mistake in mistakes {
        surroundings.report.push(mistake);
    }
    fine
}

/// The value of a field: a text, a number or a truth.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldText(pub Spanned<String>);

impl FromNode for FieldText {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let text = match &node.value {
            Value::Text(text) => text.to_string(),
            Value::Number(digits) => digits.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => {
                report.expected("a text", node);
                return None;
            }
        };
        Some(Self(Spanned::new(text, node.span)))
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

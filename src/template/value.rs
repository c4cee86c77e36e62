//! A value with templates in it, at any depth.

use serde_json::Value as Json;

use super::{Scope, Template, TemplateError};

/// JSON whose texts may be templates.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateValue {
    /// No template below it.
    Literal(Json),
    Template(Template),
    List(Vec<TemplateValue>),
    Map(Vec<(String, TemplateValue)>),
}

impl TemplateValue {
    /// The value with every template evaluated.
    ///
    /// # Errors
    /// The first template that fails.
    pub fn evaluate(&self, scope: &Scope) -> Result<Json, TemplateError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Template(template) => template.evaluate(scope),
            Self::List(items) => items
                .iter()
                .map(|item| item.evaluate(scope))
                .collect::<Result<_, _>>()
                .map(Json::Array),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), value.evaluate(scope)?)))
                .collect::<Result<_, _>>()
                .map(Json::Object),
        }
    }
}

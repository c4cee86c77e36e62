//! What the value of a parameter must be.

use serde_json::{Map as JsonMap, Value as Json};

/// What a value must be. The words are JSON Schema's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    pub kind: Option<ParamType>,
    /// `null` is a value, too: the default is `null`.
    pub nullable: bool,
    pub choices: Option<Vec<Json>>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
}

crate::choice! {
    /// The type of a parameter.
    pub enum ParamType as "type" {
        /// Characters.
        String = "string",
        /// Any number.
        Number = "number",
        /// A whole number.
        Integer = "integer",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A list.
        Array = "array",
        /// A map.
        Object = "object",
        /// A day such as `2026-08-20`.
        Date = "date",
    }
}

impl ParamType {
    pub(super) fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Null => None,
            Json::Bool(_) => Some(Self::Boolean),
            Json::Number(number) if number.is_i64() || number.is_u64() => Some(Self::Integer),
            Json::Number(_) => Some(Self::Number),
            Json::String(_) => Some(Self::String),
            Json::Array(_) => Some(Self::Array),
            Json::Object(_) => Some(Self::Object),
        }
    }

    fn fits(self, value: &Json) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Date => value
                .as_str()
                .is_some_and(|text| text.parse::<chrono::NaiveDate>().is_ok()),
        }
    }
}

impl Rules {
    /// What a value must be, as JSON Schema.
    #[must_use]
    pub fn schema(&self) -> Json {
        let mut schema = JsonMap::new();
        if let Some(kind) = self.kind {
            let word = Json::from(kind.word());
            let word = if self.nullable {
                Json::Array(vec![word, "null".into()])
            } else {
                word
            };
            schema.insert("type".to_owned(), word);
        }
        if let Some(choices) = &self.choices {
            schema.insert("enum".to_owned(), Json::Array(choices.clone()));
        }
        for (name, bound) in [("minimum", self.minimum), ("maximum", self.maximum)] {
            if let Some(bound) = bound {
                schema.insert(name.to_owned(), bound.into());
            }
        }
        Json::Object(schema)
    }

    /// Whether a value fits.
    ///
    /// # Errors
    /// Why it doesn't.
    pub fn check(&self, value: &Json) -> Result<(), String> {
        if value.is_null() && (self.nullable || self.kind.is_none()) {
            return Ok(());
        }
        if let Some(kind) = self.kind
            && !kind.fits(value)
        {
            let article = match kind {
                ParamType::Integer | ParamType::Array | ParamType::Object => "an",
                _ => "a",
            };
            return Err(format!(
                "`{}` isn't {article} {}",
                shown(value),
                kind.word()
            ));
        }
        if let Some(choices) = &self.choices
            && !choices.contains(value)
        {
            let choices: Vec<String> = choices.iter().map(|c| format!("`{}`", shown(c))).collect();
            return Err(format!(
                "`{}` isn't one of {}",
                shown(value),
                choices.join(", ")
            ));
        }
        let Some(number) = value.as_f64() else {
            return Ok(());
        };
        if let Some(minimum) = self.minimum
            && number < minimum
        {
            return Err(format!("`{}` is less than {minimum}", shown(value)));
        }
        if let Some(maximum) = self.maximum
            && number > maximum
        {
            return Err(format!("`{}` is more than {maximum}", shown(value)));
        }
        Ok(())
    }

    /// A value as it is or, where it is a text, what the text says.
    ///
    /// # Errors
    /// Why the value doesn't fit.
    pub fn take(&self, value: &Json) -> Result<Json, String> {
        match (self.check(value), value) {
            (Ok(()), _) => Ok(value.clone()),
            (Err(reason), Json::String(text)) => self.parse(text).map_err(|_| reason),
            (Err(reason), _) => Err(reason),
        }
    }

    /// Reads a value from a command line.
    pub(super) fn parse(&self, text: &str) -> Result<Json, String> {
        let value = match self.kind {
            Some(ParamType::String | ParamType::Date) if !(self.nullable && text == "null") => {
                Json::String(text.to_owned())
            }
            Some(ParamType::Array) if !text.trim_start().starts_with('[') => Json::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| {
                        serde_json::from_str(item).unwrap_or_else(|_| Json::String(item.to_owned()))
                    })
                    .collect(),
            ),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned())),
        };
        self.check(&value)?;
        Ok(value)
    }
}

pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

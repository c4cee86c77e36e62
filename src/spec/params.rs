//! Parameters of a DAG: typed by their default, or spelled out in words of JSON Schema.

use serde_json::{Map as JsonMap, Value as Json};

use crate::document::{Diagnostic, FromNode, Map, Node, Report, Span, Spanned, nearest};

/// A DAG's parameters, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    list: Vec<Param>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: String,
    pub description: Option<String>,
    /// `None`: it must be given with every run.
    pub default: Option<Json>,
    pub rules: Rules,
}

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

crate::record! {
    /// A parameter, spelled out.
    pub struct ParamRecord as "a parameter" {
        /// The type of its values.
        r#type: Option<ParamType>,
        /// The value when a run doesn't give one; without it, a run must.
        default: Option<Node>,
        /// The values it may have.
        r#enum: Option<Spanned<Vec<Node>>>,
        /// Smallest number.
        minimum: Option<f64>,
        /// Largest number.
        maximum: Option<f64>,
        /// What it is for.
        description: Option<String>,
    }
}

/// The schema of a parameter that is spelled out.
pub(super) fn schema() -> Json {
    ParamRecord::schema().to_value()
}

impl Params {
    /// Reads the value of `params:`.
    pub fn read(map: &Map<Node>, report: &mut Report) -> Self {
        let list = map
            .0
            .iter()
            .filter_map(|(name, node)| read_param(name, node, report))
            .collect();
        Self { list }
    }

    /// The parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.list.iter()
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.list.iter().map(|param| param.name.clone()).collect()
    }

    /// Replaces a default, as a profile does.
    ///
    /// # Errors
    /// Why the value doesn't fit, or that there is no such parameter.
    pub fn set_default(&mut self, name: &str, value: Json) -> Result<(), String> {
        let Some(param) = self.list.iter_mut().find(|param| param.name == name) else {
            return Err(self.unknown(name));
        };
        param
            .rules
            .check(&value)
            .map_err(|reason| format!("parameter `{name}`: {reason}"))?;
        param.default = Some(value);
        Ok(())
    }

    fn unknown(&self, name: &str) -> String {
        let known = self.list.iter().map(|param| param.name.as_str());
        match nearest(name, known.clone()) {
            Some(near) => format!("parameter `{name}` doesn't exist: did you mean `{near}`?"),
            None if self.list.is_empty() => {
                format!("parameter `{name}` doesn't exist: this DAG has none")
            }
            None => {
                let names: Vec<String> = known.map(|name| format!("`{name}`")).collect();
                format!(
                    "parameter `{name}` doesn't exist: there are {}",
                    names.join(", ")
                )
            }
        }
    }

    /// The values of a run: the defaults, replaced by what is given as `key=value` texts.
    ///
    /// # Errors
    /// Every value that doesn't fit, every unknown name, every value that is missing.
    pub fn bind(&self, given: &[(String, String)]) -> Result<JsonMap<String, Json>, Vec<String>> {
        let mut errors = Vec::new();
        let mut values = JsonMap::new();
        for (name, _) in given {
            if !self.list.iter().any(|param| param.name == *name) {
                errors.push(self.unknown(name));
            }
        }
        for param in &self.list {
            // The last one given wins, as everywhere on command lines.
            let text = given.iter().rev().find(|(name, _)| *name == param.name);
            let value = match (text, &param.default) {
                (Some((_, text)), _) => param.rules.parse(text),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => Err(format!("it has no default: give `-p {}=…`", param.name)),
            };
            match value {
                Ok(value) => {
                    values.insert(param.name.clone(), value);
                }
                Err(reason) => errors.push(format!("parameter `{}`: {reason}", param.name)),
            }
        }
        if errors.is_empty() {
            Ok(values)
        } else {
            Err(errors)
        }
    }
}

fn read_param(name: &Spanned<String>, node: &Node, report: &mut Report) -> Option<Param> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        report.push(
            Diagnostic::error(
                "invalid-name",
                format!("`{}` can't be the name of a parameter", name.value),
                name.span,
            )
            .help(
                "use letters, digits and `_`, beginning with a letter: templates and SQL name it",
            ),
        );
        return None;
    }
    let spelled_out = node.as_map().is_some_and(|entries| {
        !entries.is_empty()
            && entries
                .iter()
                .any(|entry| matches!(&*entry.key.value, "type" | "default" | "enum"))
    });
    if !spelled_out {
        let default = node.to_json();
        return Some(Param {
            name: name.value.clone(),
            description: None,
            rules: Rules {
                kind: ParamType::of(&default),
                nullable: default.is_null(),
                ..Rules::default()
            },
            default: Some(default),
        });
    }
    let record = ParamRecord::from_node(node, report)?;
    let has_default = node.get("default").is_some();
    let default = match (&record.default, has_default) {
        (Some(default), _) => Some(default.to_json()),
        (None, true) => Some(Json::Null),
        (None, false) => None,
    };
    let rules = Rules {
        kind: record
            .r#type
            .or_else(|| default.as_ref().and_then(ParamType::of)),
        nullable: default.as_ref().is_some_and(Json::is_null),
        choices: record
            .r#enum
            .as_ref()
            .map(|choices| choices.iter().map(Node::to_json).collect()),
        minimum: record.minimum,
        maximum: record.maximum,
    };
    if let Some(value) = &default {
        let span = record.default.as_ref().map_or(node.span, |node| node.span);
        report_misfit(&rules, value, span, report);
    }
    for choice in record.r#enum.iter().flat_map(|choices| &choices.value) {
        let without_choices = Rules {
            choices: None,
            ..rules.clone()
        };
        report_misfit(&without_choices, &choice.to_json(), choice.span, report);
    }
    Some(Param {
        name: name.value.clone(),
        description: record.description,
        default,
        rules,
    })
}

fn report_misfit(rules: &Rules, value: &Json, span: Span, report: &mut Report) {
    if let Err(reason) = rules.check(value) {
        report.push(Diagnostic::error("wrong-type", reason, span));
    }
}

impl ParamType {
    fn of(value: &Json) -> Option<Self> {
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

    /// Reads a value from a command line.
    fn parse(&self, text: &str) -> Result<Json, String> {
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

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SourceId;
    use serde_json::json;

    fn params(text: &str) -> (Params, Vec<String>) {
        let mut report = Report::default();
        let node = crate::spec::read_yaml(SourceId(0), text, &mut report).unwrap();
        let map = Map::from_node(&node, &mut report).unwrap();
        let params = Params::read(&map, &mut report);
        let messages = report
            .into_diagnostics()
            .into_iter()
            .map(|diagnostic| diagnostic.message)
            .collect();
        (params, messages)
    }

    fn bind(params: &Params, given: &[(&str, &str)]) -> Result<Json, Vec<String>> {
        let given: Vec<(String, String)> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        params.bind(&given).map(Json::Object)
    }

    #[test]
    fn values_are_typed_by_their_default() {
        let (params, found) = params(
            "coins: [a, b]\nthreshold: { type: number, default: 2.0, minimum: 0 }\nday: { type: date }\nstatus: ~\nn: 3\n",
        );
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(
            bind(
                &params,
                &[
                    ("day", "2020-08-20"),
                    ("coins", "x,y"),
                    ("threshold", "2.50")
                ]
            ),
            Ok(serde_json::from_str(
                r#"{"coins":["x","y"],"threshold":2.50,"day":"2020-08-20","status":null,"n":3}"#
            )
            .unwrap())
        );
        assert_eq!(
            bind(
                &params,
                &[
                    ("day", "tomorrow"),
                    ("n", "x"),
                    ("coin", "1"),
                    ("threshold", "-1")
                ]
            ),
            Err(vec![
                "parameter `coin` doesn't exist: did you mean `coins`?".to_owned(),
                "parameter `threshold`: `-1` is less than 0".to_owned(),
                "parameter `day`: `tomorrow` isn't a date".to_owned(),
                "parameter `n`: `x` isn't an integer".to_owned(),
            ])
        );
        assert_eq!(
            bind(&params, &[]).unwrap_err(),
            ["parameter `day`: it has no default: give `-p day=…`"]
        );
        assert_eq!(
            bind(&params, &[("day", "2020-08-20")]).unwrap()["n"],
            json!(3)
        );
    }

    #[test]
    fn defaults_must_fit() {
        let (_, found) = params(
            "a: { type: integer, default: x }\nb: { enum: [1, 2], default: 3 }\nc: { type: strin }\n2x: 1\n",
        );
        assert_eq!(
            found,
            [
                "`x` isn't an integer",
                "`3` isn't one of `1`, `2`",
                "unknown type `strin`",
                "`2x` can't be the name of a parameter"
            ]
        );
    }
}

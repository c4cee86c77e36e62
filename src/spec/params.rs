//! Parameters of a DAG: typed by their default, or spelled out in words of JSON Schema.

mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Map as JsonMap, Value as Json};

pub use rules::{ParamType, Rules};

use crate::document::{
    Diagnostic, Entry, FromNode, Map, Node, Report, Span, Spanned, nearest, refuse_unknown_keys,
};

/// A DAG's parameters, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    list: Vec<Param>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: String,
    /// Where its name stands.
    pub(super) span: Span,
    pub description: Option<String>,
    /// `None`: it must be given with every run.
    pub default: Option<Json>,
    pub rules: Rules,
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
        minimum: Option<Spanned<f64>>,
        /// Largest number.
        maximum: Option<Spanned<f64>>,
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
            .map(|(name, node)| read_param(name, node, report))
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

    /// Whether there is such a parameter.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|param| param.name == name)
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
        let names = given.iter().map(|(name, _)| name.as_str());
        self.bound(names, |param| {
            // The last one given wins, as everywhere on command lines.
            let text = given.iter().rev().find(|(name, _)| *name == param.name);
            match (text, &param.default) {
                (Some((_, text)), _) => param.rules.parse(text),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => Err(format!("it has no default: give `-p {}=…`", param.name)),
            }
        })
    }

    /// The values of a run that another begins. A text may stand for a value of another type, as on
    /// the command line.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn bind_values(
        &self,
        given: &JsonMap<String, Json>,
    ) -> Result<JsonMap<String, Json>, Vec<String>> {
        let names = given.keys().map(String::as_str);
        self.bound(names, |param| {
            match (given.get(&param.name), &param.default) {
                (Some(value), _) => param.rules.take(value),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => Err("it has no default and isn't given".to_owned()),
            }
        })
    }

    /// The value of each parameter, or all that is wrong: with values, and with the names given.
    fn bound<'a>(
        &self,
        given: impl Iterator<Item = &'a str>,
        value_of: impl Fn(&Param) -> Result<Json, String>,
    ) -> Result<JsonMap<String, Json>, Vec<String>> {
        let unknown = given.filter(|name| !self.has(name));
        let mut errors: Vec<String> = unknown.map(|name| self.unknown(name)).collect();
        let mut values = JsonMap::new();
        for param in &self.list {
            match value_of(param) {
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

/// Reads a parameter. One that has mistakes is there all the same, so that what reads it is no
/// mistake, too.
fn read_param(name: &Spanned<String>, node: &Node, report: &mut Report) -> Param {
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
    }
    let param = |default: Option<Json>, rules: Rules, description: Option<String>| Param {
        name: name.value.clone(),
        span: name.span,
        description,
        default,
        rules,
    };
    let Some(entries) = node.as_map().filter(|entries| is_spelled_out(entries)) else {
        let default = node.to_json();
        let rules = Rules {
            kind: ParamType::of(&default),
            nullable: default.is_null(),
            ..Rules::default()
        };
        return param(Some(default), rules, None);
    };
    let before = report.diagnostics().len();
    let entries = refuse_unknown_keys(entries, ParamRecord::KEYS, "a parameter", report);
    let Some(record) = ParamRecord::from_entries(&entries, node.span, report) else {
        return param(None, Rules::default(), None);
    };
    let fine = report.diagnostics().len() == before;
    let default = match (&record.default, node.get("default").is_some()) {
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
        minimum: record.minimum.map(|minimum| minimum.value),
        maximum: record.maximum.map(|maximum| maximum.value),
    };
    // With a mistake in the rules, what fits them isn't known.
    if fine {
        check_rules(&record, &rules, default.as_ref(), node, report);
    }
    param(default, rules, record.description)
}

/// Whether a map spells a parameter out: otherwise it is the default of one.
fn is_spelled_out(entries: &[Entry]) -> bool {
    let telling = |key: &str| matches!(key, "type" | "default" | "enum");
    let known = |key: &str| ParamRecord::KEYS.contains(&key);
    entries.iter().any(|entry| telling(&entry.key.value))
        || !entries.is_empty() && entries.iter().all(|entry| known(&entry.key.value))
}

/// The rules must not exclude each other, the default or a choice.
fn check_rules(
    record: &ParamRecord,
    rules: &Rules,
    default: Option<&Json>,
    node: &Node,
    report: &mut Report,
) {
    if let (Some(minimum), Some(maximum)) = (&record.minimum, &record.maximum)
        && minimum.value > maximum.value
    {
        report.push(
            Diagnostic::error(
                "contradiction",
                format!("no number is from {} to {}", minimum.value, maximum.value),
                maximum.span,
            )
            .label("`maximum` is less than `minimum`")
            .related(minimum.span, "the minimum"),
        );
        return;
    }
    let numeric = matches!(
        rules.kind,
        None | Some(ParamType::Number | ParamType::Integer)
    );
    if let Some(limit) = record.minimum.or(record.maximum)
        && !numeric
    {
        let kind = rules.kind.map_or("", ParamType::word);
        report.push(
            Diagnostic::error(
                "contradiction",
                format!("a limit is of numbers, the parameter is of type `{kind}`"),
                limit.span,
            )
            .label("remove it")
            .help("or set `type: number`"),
        );
        return;
    }
    if let Some(value) = default {
        let place = record.default.as_ref().unwrap_or(node);
        report_misfit("the default", rules, value, place, report);
    }
    let without_choices = Rules {
        choices: None,
        ..rules.clone()
    };
    for choice in record.r#enum.iter().flat_map(|choices| &choices.value) {
        report_misfit(
            "the choice",
            &without_choices,
            &choice.to_json(),
            choice,
            report,
        );
    }
}

fn report_misfit(what: &str, rules: &Rules, value: &Json, node: &Node, report: &mut Report) {
    if let Err(reason) = rules.check(value) {
        report.push(
            Diagnostic::error("wrong-type", format!("{what} {reason}"), node.span)
                .label("it doesn't fit the parameter's own rules"),
        );
    }
}

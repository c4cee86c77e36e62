//! The `columns` and `where` of a copy: what becomes of a record.

use std::collections::BTreeSet;

use schemars::{Schema, json_schema};

use super::cell_type::CellType;
use super::path::Path;
use crate::data::ndjson::Wanted;
use crate::document::{Diagnostic, FromNode, Node, Report, Span, Spanned, Value, read_map};
use crate::task::Surroundings;
use crate::template::{Shape, Template};

/// `columns` as it is written: names to keep, or targets and where their values come from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::task) struct RawColumns(Vec<(Spanned<String>, RawColumn)>);

#[derive(Debug, Clone, PartialEq)]
struct RawColumn {
    from: Spanned<String>,
    r#type: Option<CellType>,
    required: bool,
}

crate::record! {
    /// A column with a type.
    struct TypedColumn as "a column" {
        /// A path (`market.name`) or a template over the record. The target's own name when left out.
        from: Option<Spanned<String>>,
        /// What the values must be; a record whose value isn't is a reject.
        r#type: Option<CellType>,
        /// A record without a value is a reject, too.
        required: bool = "false" => false,
    }
}

impl FromNode for RawColumns {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if let Value::List(items) = &node.value {
            let names: Option<Vec<Spanned<String>>> = items
                .iter()
                .map(|item| FromNode::from_node(item, report))
                .collect();
            let kept = |name: Spanned<String>| {
                let from = name.clone();
                let column = RawColumn {
                    from,
                    r#type: None,
                    required: false,
                };
                (name, column)
            };
            return Some(Self(names?.into_iter().map(kept).collect()));
        }
        let read: Vec<Option<_>> = read_map(node, report)?
            .iter()
            .map(|entry| {
                let target = entry.key.clone().map(String::from);
                let column = match &entry.value.value {
                    Value::Map(_) => {
                        let typed = TypedColumn::from_node(&entry.value, report)?;
                        RawColumn {
                            from: typed.from.unwrap_or_else(|| target.clone()),
                            r#type: typed.r#type,
                            required: typed.required,
                        }
                    }
                    _ => RawColumn {
                        from: FromNode::from_node(&entry.value, report)?,
                        r#type: None,
                        required: false,
                    },
                };
                Some((target, column))
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "string" } },
                {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [{ "type": "string" }, TypedColumn::schema()]
                    }
                }
            ]
        })
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Mapping {
    /// `None`: the columns of the source as they are.
    pub(super) fields: Option<Vec<Field>>,
    /// Only records for which it is true.
    pub(super) filter: Option<Formula>,
}

/// A column of the target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) target: String,
    /// Where the target's name stands.
    pub(super) place: Span,
    pub(super) value: FieldValue,
    pub(super) r#type: Option<CellType>,
    /// NULL is no value.
    pub(super) required: bool,
}

impl Field {
    /// Whether its value is a column of the source as it is.
    pub(super) fn is_plain(&self) -> bool {
        matches!(&self.value, FieldValue::Path(path) if path.steps.len() == 1)
    }

    /// The columns of the source that its value is made of.
    pub(super) fn reads(&self) -> Vec<&str> {
        match &self.value {
            FieldValue::Path(path) => vec![path.root()],
            FieldValue::Formula(formula) => formula.columns.iter().map(String::as_str).collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FieldValue {
    Path(Path),
    Formula(Formula),
}

/// A template over the record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Formula {
    pub(super) template: Template,
    /// The columns of the record that it reads.
    pub(super) columns: BTreeSet<String>,
}

impl Mapping {
    /// Checks what was written.
    pub(super) fn read(
        columns: Option<&RawColumns>,
        filter: Option<&Spanned<String>>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let fields = columns.map(|columns| {
            let read: Vec<Option<Field>> = columns
                .0
                .iter()
                .map(|(target, column)| field(target, column, surroundings))
                .collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        if let Some(RawColumns(columns)) = columns {
            for (at, (target, _)) in columns.iter().enumerate() {
                if columns[..at].iter().any(|(other, _)| **other == **target) {
                    surroundings.report.push(Diagnostic::error(
                        "duplicate-column",
                        format!("column `{}` is there twice", target.value),
                        target.span,
                    ));
                }
            }
        }
        let filter = match filter {
            Some(text) => Some(Formula::read(text, surroundings, true)?),
            None => None,
        };
        Some(Self {
            fields: match fields {
                Some(fields) => Some(fields?),
                None => None,
            },
            filter,
        })
    }

    /// Whether records stay as they are.
    pub(super) fn is_nothing(&self) -> bool {
        self.fields.is_none() && self.filter.is_none()
    }

    /// What is wanted of NDJSON: the keys that are used, and those that may have a dot in their
    /// very name.
    pub(super) fn wanted(&self) -> Wanted {
        let Some(fields) = &self.fields else {
            return Wanted::All;
        };
        let (mut keys, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
        for field in fields {
            match &field.value {
                FieldValue::Path(path) => {
                    keys.insert(path.root().to_owned());
                    perhaps.insert(path.text.clone());
                }
                FieldValue::Formula(formula) => keys.extend(formula.columns.iter().cloned()),
            }
        }
        if let Some(filter) = &self.filter {
            keys.extend(filter.columns.iter().cloned());
        }
        Wanted::Keys {
            perhaps: perhaps.difference(&keys).cloned().collect(),
            keys: keys.into_iter().collect(),
        }
    }

    /// When the mapping only gives other names to all of `columns`: the new names, in their order.
    pub(super) fn renames(&self, columns: &[String]) -> Option<Vec<String>> {
        if self.filter.is_some() {
            return None;
        }
        let Some(fields) = &self.fields else {
            return Some(columns.to_vec());
        };
        if fields.len() != columns.len() {
            return None;
        }
        columns
            .iter()
            .map(|column| {
                let mut found = fields.iter().filter(|field| {
                    field.r#type.is_none()
                        && !field.required
                        && matches!(&field.value, FieldValue::Path(path) if path.text == *column)
                });
                let field = found.next()?;
                found.next().is_none().then(|| field.target.clone())
            })
            .collect()
    }
}

fn field(
    target: &Spanned<String>,
    column: &RawColumn,
    surroundings: &mut Surroundings<'_>,
) -> Option<Field> {
    let value = if column.from.contains("{{") || column.from.contains("{%") {
        FieldValue::Formula(Formula::read(&column.from, surroundings, false)?)
    } else {
        match Path::parse(&column.from) {
            Ok(path) => FieldValue::Path(path),
            Err(message) => {
                surroundings.report.push(
                    Diagnostic::error("invalid-path", message, column.from.span)
                        .help("a path is `name`, `market.name` or `list[0]`, an expression stands in `{{ … }}`"),
                );
                return None;
            }
        }
    };
    Some(Field {
        target: target.value.clone(),
        place: target.span,
        value,
        r#type: column.r#type,
        required: column.required,
    })
}

impl Formula {
    /// Reads a template whose names are the record's columns and those in scope; where both have a
    /// name, the scope's counts. `bare`: an expression without braces.
    pub(super) fn read(
        text: &Spanned<String>,
        surroundings: &mut Surroundings<'_>,
        bare: bool,
    ) -> Option<Self> {
        let parsed = if bare {
            Template::expression(text)
        } else {
            Template::parse(text)
        };
        let mut columns = BTreeSet::new();
        let mut scope = surroundings.scope.clone();
        if let Ok(template) = &parsed {
            for path in template.variables() {
                let root = path.split('.').next().unwrap_or_default();
                if let Shape::Names(names) = surroundings.scope
                    && !names.contains_key(root)
                    && root != "tasks"
                {
                    columns.insert(root.to_owned());
                    scope = scope.with(root, Shape::Any);
                }
            }
        }
        let template = if bare {
            surroundings.expression_in(text, &scope)?
        } else {
            surroundings.template_in(text, &scope)?
        };
        Some(Self { template, columns })
    }
}

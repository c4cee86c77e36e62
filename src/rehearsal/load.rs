//! A load against the real table.

use super::types::Family;
use crate::connection::{DatabaseError, Described, TableColumn, TableShape};
use crate::document::{Diagnostic, Span, nearest};
use crate::task::Load;

/// Compares the columns of a load with those of its table. `source` is what the query gives whose
/// rows are loaded.
pub(super) fn compare(
    load: &Load<'_>,
    shape: &TableShape,
    source: Option<&Described>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(columns) = &load.columns else {
        // Without `columns` those of the source are loaded under their own names.
        for (name, r#type) in source.iter().flat_map(|source| &source.columns) {
            found.extend(fit(shape, name, Some(r#type), load.place));
        }
        let given = |name: &str| {
            source.is_none_or(|source| source.columns.iter().any(|(given, _)| given == name))
        };
        found.extend(missing(load, shape, given));
        return found;
    };
    for column in columns {
        let mut r#type = column.r#type;
        for read in &column.reads {
            let Some(source) = source else { break };
            let names = || source.columns.iter().map(|(name, _)| name.as_str());
            match source.columns.iter().find(|(name, _)| name == read) {
                Some((_, own)) if column.is_plain => r#type = r#type.or(Some(own)),
                Some(_) => {}
                None => found.push(
                    Diagnostic::error(
                        "unknown-column",
                        format!("the query gives no column `{read}`"),
                        column.place,
                    )
                    .suggest(read, names(), "column"),
                ),
            }
        }
        found.extend(fit(shape, column.name, r#type, column.place));
    }
    found.extend(missing(load, shape, |name| {
        columns.iter().any(|column| column.name == name)
    }));
    if let Some((key, place)) = load.key {
        let unknown = key.iter().filter(|name| shape.column(name).is_err());
        found.extend(unknown.map(|name| no_column(shape, name, place)));
    }
    found
}

/// Why a column of the table doesn't take the values, when it doesn't.
fn fit(shape: &TableShape, name: &str, r#type: Option<&str>, place: Span) -> Option<Diagnostic> {
    let Some(column) = find(shape, name) else {
        return Some(no_column(shape, name, place));
    };
    if column.generated {
        let message = format!(
            "column `{name}` of table `{}` is computed by the database",
            shape.name
        );
        let diagnostic = Diagnostic::error("computed-column", message, place);
        return Some(diagnostic.label("leave it out"));
    }
    let r#type = r#type?;
    let takes = Family::of(&column.type_name).takes(Family::of(r#type));
    (!takes).then(|| {
        Diagnostic::warning(
            "column-type",
            format!(
                "column `{name}` of table `{}` is `{}`, but its values are `{type}`",
                shape.name, column.type_name
            ),
            place,
        )
    })
}

fn missing<'a>(
    load: &'a Load<'_>,
    shape: &'a TableShape,
    given: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let left_out = shape
        .columns
        .iter()
        .filter(move |column| column.required && !column.generated && !given(&column.name));
    left_out.map(|column| {
        Diagnostic::error(
            "missing-column",
            format!(
                "column `{}` of table `{}` needs a value, but the records don't give it",
                column.name, shape.name
            ),
            load.place,
        )
        .label("it is NOT NULL and has no default")
    })
}

fn find<'a>(shape: &'a TableShape, name: &str) -> Option<&'a TableColumn> {
    shape.columns.iter().find(|column| column.name == name)
}

fn no_column(shape: &TableShape, name: &str, place: Span) -> Diagnostic {
    let names = || shape.columns.iter().map(|column| column.name.as_str());
    let diagnostic = Diagnostic::error(
        "unknown-column",
        format!("table `{}` has no column `{name}`", shape.name),
        place,
    );
    if let Some(near) = nearest(name, names()) {
        return diagnostic.label(format!("did you mean `{near}`?"));
    }
    let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
    diagnostic.help(format!("it has {}", names.join(", ")))
}

/// A table that can't be described.
pub(super) fn no_table(error: &DatabaseError, place: Span, excuse: Option<String>) -> Diagnostic {
    let message = error.to_string();
    let (message, hint) = match message.rsplit_once("`: ") {
        Some((start, hint)) => (format!("{start}`"), Some(hint.to_owned())),
        None => match message.split_once(" doesn't exist: ") {
            Some((start, hint)) => (format!("{start} doesn't exist"), Some(hint.to_owned())),
            None => (message, None),
        },
    };
    let diagnostic = match &excuse {
        Some(_) => Diagnostic::warning("unknown-table", message, place),
        None => Diagnostic::error("unknown-table", message, place),
    };
    let diagnostic = match hint {
        Some(hint) => diagnostic.label(hint),
        None => diagnostic,
    };
    match excuse {
        Some(excuse) => diagnostic.help(excuse),
        None => diagnostic,
    }
}

//! Binding: how JSON values reach parameters of any type.
//!
//! The server says which type each parameter has (Describe). The values are sent as texts, and
//! each `$n` becomes `CAST($n::text AS type)`, so that the server itself reads them: decimals keep
//! their digits, and no value is ever a part of the statement.

use serde_json::Value as Json;
use sqlx::postgres::{PgArguments, PgConnection, PgTypeInfo};
use sqlx::{Arguments as _, Row as _};

use crate::connection::DatabaseError;
use crate::sqltext::{AtomKind, Dialect, Rewritten, atoms};

/// The SQL names of each parameter's type.
pub(super) async fn type_names(
    connection: &mut PgConnection,
    types: &[PgTypeInfo],
) -> Result<Vec<String>, sqlx::Error> {
    let oids: Vec<i64> = types
        .iter()
        .map(|info| info.oid().map_or(25, |oid| i64::from(oid.0)))
        .collect();
    if let Some(names) = oids
        .iter()
        .copied()
        .map(known_name)
        .collect::<Option<Vec<_>>>()
    {
        return Ok(names.into_iter().map(str::to_owned).collect());
    }
    // The modifier -1 makes it say `bpchar`: `character` would cut the value to one.
    let rows = sqlx::query(
        "SELECT format_type(o::oid, -1) FROM unnest($1::bigint[]) WITH ORDINALITY AS t(o, n) \
         ORDER BY n",
    )
    .persistent(false)
    .bind(oids)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The everyday types, to save a question to the server.
fn known_name(oid: i64) -> Option<&'static str> {
    Some(match oid {
        16 => "boolean",
        20 => "bigint",
        21 => "smallint",
        23 => "integer",
        25 => "text",
        114 => "json",
        700 => "real",
        701 => "double precision",
        1007 => "integer[]",
        1009 => "text[]",
        1043 => "character varying",
        1082 => "date",
        1114 => "timestamp without time zone",
        1184 => "timestamp with time zone",
        1700 => "numeric",
        2950 => "uuid",
        3802 => "jsonb",
        _ => return None,
    })
}

/// The statement with each `$n` cast from text to its type.
pub(super) fn with_casts(sql: &str, types: &[String]) -> Result<Rewritten, DatabaseError> {
    let mut rewritten = Rewritten::default();
    let mut kept = 0;
    for atom in atoms(sql, Dialect::Postgres) {
        if atom.kind != AtomKind::Position {
            continue;
        }
        let number: usize = atom.text(sql)[1..].parse().unwrap_or(0);
        let name = number.checked_sub(1).and_then(|at| types.get(at));
        let name = name
            .ok_or_else(|| DatabaseError::refused(format!("there is no value for `${number}`")))?;
        rewritten.keep(sql, kept..atom.range.start);
        rewritten.replace(
            atom.range.clone(),
            &format!("CAST(${number}::text AS {name})"),
        );
        kept = atom.range.end;
    }
    rewritten.keep(sql, kept..sql.len());
    Ok(rewritten)
}

/// The values as texts for parameters of these types.
pub(super) fn arguments(values: &[Json], types: &[String]) -> Result<PgArguments, DatabaseError> {
    if values.len() != types.len() {
        return Err(DatabaseError::refused(format!(
            "the statement has {} parameters, but {} values are bound",
            types.len(),
            values.len()
        )));
    }
    let mut arguments = PgArguments::default();
    for (value, name) in values.iter().zip(types) {
        arguments
            .add(text(value, name))
            .map_err(|error| DatabaseError::refused(error.to_string()))?;
    }
    Ok(arguments)
}

/// A value as PostgreSQL reads it for a type. A list or a map is JSON, unless the type is an
/// array.
fn text(value: &Json, type_name: &str) -> Option<String> {
    if matches!(type_name, "json" | "jsonb") {
        // `null` is NULL here, too: who wants JSON's null writes it in SQL.
        return (!value.is_null()).then(|| value.to_string());
    }
    match value {
        Json::Null => None,
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(digits) => Some(digits.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Array(items) if type_name.ends_with("[]") => {
            Some(array(items, type_name.trim_end_matches("[]")))
        }
        Json::Array(_) | Json::Object(_) => Some(value.to_string()),
    }
}

fn array(items: &[Json], element: &str) -> String {
    let json = matches!(element, "json" | "jsonb");
    let items: Vec<String> = items
        .iter()
        .map(|item| match item {
            // A list in a list is a dimension.
            Json::Array(inner) if !json => array(inner, element),
            other => text(other, element).map_or_else(|| "NULL".to_owned(), |text| quoted(&text)),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_spelled_for_their_type() {
        for (value, type_name, expected) in [
            (json!(null), "integer", None),
            (json!(null), "jsonb", None),
            (json!(true), "boolean", Some("true")),
            (json!("x'y"), "text", Some("x'y")),
            (json!("x"), "jsonb", Some("\"x\"")),
            (json!([1, 2]), "jsonb", Some("[1,2]")),
            (json!([1, null, 3]), "integer[]", Some(r#"{"1",NULL,"3"}"#)),
            (json!([]), "text[]", Some("{}")),
            (json!([[1], [2]]), "integer[]", Some(r#"{{"1"},{"2"}}"#)),
            (
                json!(["a\"b\\c", "NULL"]),
                "text[]",
                Some(r#"{"a\"b\\c","NULL"}"#),
            ),
            (json!([{"a": 1}]), "jsonb[]", Some(r#"{"{\"a\":1}"}"#)),
            (json!({"a": 1}), "text", Some(r#"{"a":1}"#)),
            (json!([1, 2]), "text", Some("[1,2]")),
        ] {
            assert_eq!(
                text(&value, type_name).as_deref(),
                expected,
                "{value} as {type_name}"
            );
        }
        let digits: Json = serde_json::from_str("0.1234567890123456789012345").unwrap();
        assert_eq!(
            text(&digits, "numeric").as_deref(),
            Some("0.1234567890123456789012345")
        );
    }

    #[test]
    fn positions_become_casts_outside_of_quotes() {
        let types = ["integer".to_owned(), "text".to_owned()];
        let cast = with_casts("select $2, '$1', $1 -- $1", &types).unwrap();
        assert_eq!(
            cast.text(),
            "select CAST($2::text AS text), '$1', CAST($1::text AS integer) -- $1"
        );
        assert!(with_casts("select $3", &types).is_err());
    }
}

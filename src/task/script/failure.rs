//! A server's error as a person reads it: at its place in the script.

use super::{Prepared, Ready};
use crate::connection::DatabaseError;
use crate::data::DataError;
use crate::model::FailureKind;
use crate::sqltext::excerpt;
use crate::task::TaskFailure;

/// The failure of a statement.
pub(in crate::task) fn of_statement(
    prepared: &Prepared<'_>,
    ready: &Ready<'_>,
    error: DatabaseError,
) -> TaskFailure {
    let DatabaseError::Statement { message, place, .. } = &error else {
        return error.into();
    };
    let script = &prepared.code.script;
    let offset = match place {
        Some(place) => ready.positional.sql.origin(place.offset),
        None => ready.part.range.start,
    };
    let mut text = format!(
        "{message}\n{}",
        excerpt(&prepared.code.name, &script.text, offset)
    );
    for (name, remark) in error.remarks() {
        let remark = remark.replace('\n', "\n     ");
        text.push_str(&format!("\n = {name}: {remark}"));
    }
    let kind = if error.is_retryable() {
        FailureKind::Retryable
    } else {
        FailureKind::Permanent
    };
    TaskFailure {
        of_values: error.is_of_values(),
        ..TaskFailure::new(kind, text)
    }
}

/// The failure of a statement's rows, or of the file they are written to.
pub(in crate::task) fn of_rows(
    prepared: &Prepared<'_>,
    ready: &Ready<'_>,
    error: DataError,
) -> TaskFailure {
    match error {
        DataError::Foreign { error, retryable } => match error.downcast::<DatabaseError>() {
            Ok(error) => of_statement(prepared, ready, *error),
            Err(error) => DataError::Foreign { error, retryable }.into(),
        },
        error => error.into(),
    }
}

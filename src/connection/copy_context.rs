//! Which record PostgreSQL's COPY stumbled over.

use super::DatabaseError;
use crate::data::{Place, Reject};

/// The record that a COPY refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecord {
    /// From 1.
    pub line: u64,
    pub column: Option<String>,
    pub value: Option<String>,
    /// The server's message, with the detail that adds to it.
    pub reason: String,
}

impl DatabaseError {
    /// The record that a COPY refused, when that is what happened.
    #[must_use]
    pub fn refused_record(&self) -> Option<RefusedRecord> {
        let Self::Statement {
            message,
            context: Some(context),
            detail,
            code: Some(code),
            ..
        } = self
        else {
            return None;
        };
        // Data exceptions and integrity violations; the rest isn't the record's fault.
        if !code.starts_with("22") && !code.starts_with("23") {
            return None;
        }
        let (line, column, value) = parse(context)?;
        let reason = match detail {
            // The row itself, which the place says better.
            Some(detail) if detail.starts_with("Failing row contains") => message.clone(),
            Some(detail) => format!("{message} ({})", detail.trim_end_matches('.')),
            None => message.clone(),
        };
        Some(RefusedRecord {
            line,
            column,
            // Most messages have it already.
            value: value.filter(|value| !message.contains(value.as_str())),
            reason,
        })
    }
}

impl RefusedRecord {
    /// The same as a record that doesn't fit.
    #[must_use]
    pub fn into_reject(self, place: Option<Place>, record: String) -> Reject {
        Reject {
            place,
            column: self.column,
            value: self.value,
            reason: self.reason,
            record,
        }
    }
}

/// `COPY deposit, line 5, column amount: "x"` and its shorter forms.
fn parse(context: &str) -> Option<(u64, Option<String>, Option<String>)> {
    let start = if context.starts_with("COPY ") {
        0
    } else {
        context.find("\nCOPY ")? + 1
    };
    let context = &context[start..];
    let marker = ", line ";
    let (digits, rest) = context.match_indices(marker).find_map(|(at, _)| {
        let rest = &context[at + marker.len()..];
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        (end > 0).then(|| rest.split_at(end))
    })?;
    let line = digits.parse().ok()?;
    let Some(rest) = rest.strip_prefix(", column ") else {
        return Some((line, None, None));
    };
    let (column, value) = match rest.split_once(": \"") {
        Some((column, value)) => (column, value.rsplit_once('"').map(|(value, _)| value)),
        None => (rest.split(": ").next().unwrap_or(rest), None),
    };
    Some((line, Some(column.to_owned()), value.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn contexts_are_read() {
        for (context, expected) in [
            (
                "COPY deposit, line 5, column amount: \"x\"",
                Some((5, Some("amount"), Some("x"))),
            ),
            (
                "COPY odd, line name, line 12, column a b: \"say \"hi\"\"",
                Some((12, Some("a b"), Some("say \"hi\""))),
            ),
            ("COPY t, line 3: \"1,2,3\"", Some((3, None, None))),
            (
                "COPY t, line 3, column a: null input",
                Some((3, Some("a"), None)),
            ),
            (
                "PL/pgSQL function f() line 2\nCOPY t, line 7",
                Some((7, None, None)),
            ),
            ("SQL statement \"COPY\"", None),
        ] {
            let expected =
                expected.map(|(line, column, value): (u64, Option<&str>, Option<&str>)| {
                    (line, column.map(str::to_owned), value.map(str::to_owned))
                });
            assert_eq!(parse(context), expected, "{context}");
        }
    }
}

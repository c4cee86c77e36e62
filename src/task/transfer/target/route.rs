//! Which file a record goes to.

use std::collections::HashMap;

use super::path::{PathPart, PathTemplate};
use super::segment;
use crate::data::{Batch, Columns};
use crate::task::TaskFailure;
use crate::task::transfer::mapped::BoundFormula;
use crate::template::Scope;

/// Combinations of values whose file is remembered. More of them begin anew.
const REMEMBERED: usize = 1 << 16;

/// Finds the file of each record. Expressions are evaluated once for each combination of the
/// values that they read: most records have that of the one before.
pub(super) struct Router<'a> {
    parts: Vec<Part<'a>>,
    scope: Scope,
    /// The columns that are read, and whether only the hour of the time in them counts.
    reads: Vec<(usize, bool)>,
    by_values: HashMap<Vec<u8>, usize>,
    by_path: HashMap<String, usize>,
    last: Option<usize>,
    last_values: Vec<u8>,
    values: Vec<u8>,
    /// The paths, by the number that was given for them.
    pub(super) paths: Vec<String>,
}

enum Part<'a> {
    Text(String),
    Value {
        formula: BoundFormula<'a>,
        dated: bool,
    },
}

impl<'a> Router<'a> {
    /// Binds a path to the columns of the records.
    pub(super) fn bind(
        path: &'a PathTemplate,
        columns: &Columns,
        scope: Scope,
    ) -> Result<Self, TaskFailure> {
        let mut parts = Vec::new();
        let mut reads: Vec<(usize, bool)> = Vec::new();
        for part in &path.parts {
            parts.push(match part {
                PathPart::Text(text) => Part::Text(text.clone()),
                PathPart::Fixed(template) => Part::Text(template.render(&scope)?),
                PathPart::Value(value) => {
                    let bound = BoundFormula::bind(&value.formula, columns)?;
                    for at in bound.columns() {
                        match reads.iter_mut().find(|(known, _)| *known == at) {
                            Some((_, hourly)) => *hourly &= value.hourly,
                            None => reads.push((at, value.hourly)),
                        }
                    }
                    Part::Value {
                        formula: bound,
                        dated: value.dated,
                    }
                }
            });
        }
        Ok(Self {
            parts,
            scope,
            reads,
            by_values: HashMap::new(),
            by_path: HashMap::new(),
            last: None,
            last_values: Vec::new(),
            values: Vec::new(),
            paths: Vec::new(),
        })
    }

    /// The number of a row's file: one more than the last when it is new.
    ///
    /// # Errors
    /// Why it has none.
    #[inline]
    pub(super) fn find(&mut self, batch: &Batch, row: usize) -> Result<usize, String> {
        self.values.clear();
        for &(at, hourly) in &self.reads {
            let cell = batch.cell(row, at);
            let part = match cell {
                Some(cell) if hourly => hour(cell).unwrap_or(cell),
                cell => cell.unwrap_or_default(),
            };
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let marked = length << 1 | u32::from(cell.is_none());
            self.values.extend_from_slice(&marked.to_le_bytes());
            self.values.extend_from_slice(part);
        }
        if let Some(last) = self.last
            && self.last_values == self.values
        {
            return Ok(last);
        }
        let found = match self.by_values.get(&self.values) {
            Some(found) => *found,
            None => self.evaluate(batch, row)?,
        };
        self.last = Some(found);
        std::mem::swap(&mut self.last_values, &mut self.values);
        Ok(found)
    }

    fn evaluate(&mut self, batch: &Batch, row: usize) -> Result<usize, String> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Value { formula, dated } => {
                    let value = formula
                        .evaluate(&mut self.scope, batch, row)
                        .map_err(|error| error.to_string())?;
                    match value.as_str() {
                        Some(date) if *dated => path.push_str(date),
                        _ => segment::push(&value, &mut path),
                    }
                }
            }
        }
        let found = self.number(path)?;
        if self.by_values.len() >= REMEMBERED {
            self.by_values.clear();
        }
        self.by_values.insert(self.values.clone(), found);
        Ok(found)
    }

    /// The number of a path.
    fn number(&mut self, path: String) -> Result<usize, String> {
        if let Some(found) = self.by_path.get(&path) {
            return Ok(*found);
        }
        segment::check(&path)?;
        let number = self.paths.len();
        self.paths.push(path.clone());
        self.by_path.insert(path, number);
        Ok(number)
    }

    /// The path of the one file, where records aren't parted; its number is 0.
    pub(super) fn only(&mut self) -> Option<Result<usize, String>> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Value { .. } => return None,
            }
        }
        Some(self.number(path))
    }

    /// Hands the paths out; numbers begin with 0 again.
    pub(super) fn take(&mut self) -> Vec<String> {
        self.by_values.clear();
        self.by_path.clear();
        self.last = None;
        std::mem::take(&mut self.paths)
    }
}

/// The day and hour of a time in UTC as it is usually written: `2026-08-20T07`.
fn hour(cell: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = cell.split_at_checked(19)?;
    let fits = head
        .iter()
        .zip(b"dddd-dd-ddTdd:5d:5d")
        .all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            b'5' => (b'0'..=b'5').contains(byte),
            b'T' => matches!(byte, b'T' | b' '),
            form => byte == form,
        });
    if !fits {
        return None;
    }
    if let [b'.', digits @ ..] = rest {
        let count = digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return None;
        }
        rest = &digits[count..];
    }
    matches!(rest, b"" | b"Z" | b"+00:00" | b"+00" | b"+0000").then_some(&head[..13])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_cut_out_of_times_in_utc_only() {
        for (cell, expected) in [
            ("2026-08-20T07:59:59Z", Some("2026-08-20T07")),
            ("2026-08-20 07:59:59.123+00", Some("2026-08-20 07")),
            ("2026-08-20T07:59:59+00:00", Some("2026-08-20T07")),
            ("2026-08-20T07:59:59", Some("2026-08-20T07")),
            ("2026-08-20T07:59:59+02:00", None),
            ("2026-08-20T07:69:59Z", None),
            ("2026-08-20T07:59:59.Z", None),
            ("2026-08-20", None),
            ("", None),
        ] {
            let found = hour(cell.as_bytes()).map(|hour| std::str::from_utf8(hour).unwrap());
            assert_eq!(found, expected, "{cell}");
        }
    }
}

//! What is said about broken rules.

use unicode_width::UnicodeWidthStr as _;

use super::definition::Severity;
use crate::data::Batch;

/// Rows that are shown.
pub(super) const SHOWN: usize = 5;
/// The widest cell and row that are shown, in columns of a terminal.
const CELL: usize = 40;
const LINE: usize = 160;

/// A broken rule.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) rows: u64,
    /// What it is about instead of the number of rows.
    pub(super) reason: Option<String>,
    /// The first rows, as aligned text.
    pub(super) sample: String,
}

impl Broken {
    /// The rule, the number of its rows, and some of them.
    pub(super) fn describe(&self) -> String {
        let mut text = match &self.reason {
            Some(reason) => format!("{}: {reason}", self.name),
            None => format!("{}: {}", self.name, count(self.rows, "row")),
        };
        for line in self.sample.lines() {
            text.push_str("\n  ");
            text.push_str(line);
        }
        text
    }
}

/// `1 row`, `2 rows`, `1,000 rows`.
pub(super) fn count(number: u64, what: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let ending = if number == 1 { "" } else { "s" };
    format!("{text} {what}{ending}")
}

/// The first rows of a batch as aligned text; `total` tells how many there are in all.
pub(super) fn sample(batch: &Batch, total: u64) -> String {
    let header: Vec<String> = batch
        .columns()
        .iter()
        .map(|column| column.name.to_string())
        .collect();
    let shown = batch.rows().min(SHOWN);
    let mut lines = vec![header];
    for row in 0..shown {
        lines.push(
            batch
                .row(row)
                .map(|cell| match cell {
                    Some(cell) => shortened(&String::from_utf8_lossy(cell)),
                    None => "NULL".to_owned(),
                })
                .collect(),
        );
    }
    let widths: Vec<usize> = (0..batch.columns().len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            if !shown.is_empty() {
                shown.push_str("  ");
            }
            if shown.width() + width > LINE {
                shown.push('…');
                break;
            }
            shown.push_str(cell);
            shown.push_str(&" ".repeat(width - cell.width()));
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    let more = total.saturating_sub(shown as u64);
    if more > 0 {
        text.push_str(&format!("… and {more} more\n"));
    }
    text
}

fn shortened(cell: &str) -> String {
    let line = cell.replace(['\n', '\r', '\t'], " ");
    if line.width() <= CELL {
        return line;
    }
    let mut shown = String::new();
    for character in line.chars() {
        if shown.width() >= CELL - 1 {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BatchBuilder, Column, Columns};

    #[test]
    fn samples_are_aligned() {
        let columns: Columns = [Column::text("day"), Column::text("naïve")].into();
        let mut builder = BatchBuilder::new(columns);
        for cell in [Some("2020-01-01"), None, Some("x"), Some("日本")] {
            builder.push(cell.map(str::as_bytes));
        }
        let long = "y".repeat(100);
        builder.push(Some(long.as_bytes()));
        builder.push(Some(b"a\nb"));
        let shown = sample(&builder.take(), 12);
        let expected = format!(
            "day{s}  naïve\n2020-01-01{t}  NULL\nx{u}  日本\n{y}…  a b\n… and 9 more\n",
            s = " ".repeat(37),
            t = " ".repeat(30),
            u = " ".repeat(39),
            y = "y".repeat(39)
        );
        assert_eq!(shown, expected);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [
            (0, "0 rows"),
            (1, "1 row"),
            (1234, "1,234 rows"),
            (1_234_567, "1,234,567 rows"),
        ] {
            assert_eq!(count(number, "row"), expected);
        }
    }
}

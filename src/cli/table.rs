//! Aligned columns.

use std::io::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::look;

/// Columns stand so far apart.
const GAP: usize = 2;
/// No column that may be cut gets narrower.
const NARROWEST: usize = 8;
/// A column that may be left out is, before it gets narrower.
const WORTHWHILE: usize = 16;

/// A cell: a text on one line and its style.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in the style of the terminal.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    /// A cell in a style of its own.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

/// How a column is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// Its heading.
    pub name: &'a str,
    pub right: bool,
    /// It may be cut where the terminal is narrow.
    pub shrinks: bool,
    /// It is the first to be cut, and left out when little of it would be seen.
    pub optional: bool,
}

impl<'a> Column<'a> {
    /// A column of words.
    pub const fn left(name: &'a str) -> Self {
        Self {
            name,
            right: false,
            shrinks: false,
            optional: false,
        }
    }

    /// A column of numbers.
    pub const fn right(name: &'a str) -> Self {
        Self {
            name,
            right: true,
            shrinks: false,
            optional: false,
        }
    }

    /// The same, cut where the terminal is narrow.
    #[must_use]
    pub const fn shrinking(self) -> Self {
        Self {
            shrinks: true,
            ..self
        }
    }

    /// The same, left out where the terminal is too narrow.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }
}

/// Prints rows below their headings. `columns` is the width of the terminal, `None` where nothing
/// needs to be cut. A column without any text is left out.
pub fn print(
    out: &mut dyn Write,
    layout: &[Column<'_>],
    rows: &[Vec<Cell>],
    columns: Option<usize>,
) -> std::io::Result<()> {
    let used = (0..layout.len())
        .map(|at| rows.iter().any(|row| !row[at].text.is_empty()))
        .collect();
    print_columns(out, layout, rows, used, columns)
}

/// The same with every column, empty ones too.
pub fn print_all(
    out: &mut dyn Write,
    layout: &[Column<'_>],
    rows: &[Vec<Cell>],
    columns: Option<usize>,
) -> std::io::Result<()> {
    let used = vec![true; layout.len()];
    print_columns(out, layout, rows, used, columns)
}

fn print_columns(
    out: &mut dyn Write,
    layout: &[Column<'_>],
    rows: &[Vec<Cell>],
    mut used: Vec<bool>,
    columns: Option<usize>,
) -> std::io::Result<()> {
    let mut widths: Vec<usize> = layout
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().map(|row| row[at].text.width());
            cells.chain([column.name.width()]).max().unwrap_or(0)
        })
        .collect();
    if let Some(columns) = columns {
        shrink(layout, &mut widths, &mut used, columns);
    }
    let headings: Vec<Cell> = layout
        .iter()
        .map(|column| Cell::styled(column.name, look::FAINT))
        .collect();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        let mut blank = 0;
        for (at, cell) in row.iter().enumerate().filter(|(at, _)| used[*at]) {
            let text = look::fit(&cell.text, widths[at]);
            let text = text.trim_end_matches(' ');
            let space = widths[at] - text.width();
            let (before, after) = if layout[at].right {
                (space, 0)
            } else {
                (0, space)
            };
            if text.is_empty() {
                blank += before;
            } else {
                let style = cell.style;
                line.push_str(&" ".repeat(blank + before));
                line.push_str(&format!("{style}{text}{style:#}"));
                blank = 0;
            }
            blank += after + GAP;
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Makes all fit: takes from what is optional, leaves that out, takes from the others that may be
/// cut.
fn shrink(layout: &[Column<'_>], widths: &mut [usize], used: &mut [bool], columns: usize) {
    let least = |at: usize| {
        if layout[at].optional {
            WORTHWHILE
        } else {
            NARROWEST
        }
    };
    loop {
        let shown: Vec<usize> = (0..widths.len()).filter(|at| used[*at]).collect();
        let total: usize = shown.iter().map(|at| widths[*at] + GAP).sum();
        let Some(over) = total.checked_sub(columns + GAP).filter(|over| *over > 0) else {
            return;
        };
        let widest = |optional: bool| {
            let may = shown.iter().copied().filter(|at| {
                let column = layout[*at];
                let kind = column.optional == optional && (column.shrinks || optional);
                kind && widths[*at] > least(*at)
            });
            may.max_by_key(|at| widths[*at])
        };
        if let Some(at) = widest(true) {
            widths[at] -= over.div_ceil(4).min(widths[at] - least(at));
        } else if let Some(at) = shown.iter().rfind(|at| layout[**at].optional) {
            used[*at] = false;
        } else if let Some(at) = widest(false) {
            widths[at] -= over.div_ceil(4).min(widths[at] - least(at));
        } else {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: Option<usize>) -> String {
        let layout = [
            Column::left("name").shrinking(),
            Column::left("empty"),
            Column::right("n"),
            Column::left("last"),
            Column::left("more").optional(),
        ];
        let row = |name: &str, number: &str, last: &str| {
            [name, "", number, last, "more and more"]
                .map(Cell::plain)
                .to_vec()
        };
        let rows = [row("a", "1", "x"), row("a_long_name_日本", "1,000", "")];
        let mut out = Vec::new();
        print(&mut out, &layout, &rows, columns).unwrap();
        anstream::adapter::strip_bytes(&out)
            .into_vec()
            .try_into()
            .unwrap()
    }

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        assert_eq!(
            printed(None),
            "name                  n  last  more\n\
             a                     1  x     more and more\n\
             a_long_name_日本  1,000        more and more\n"
        );
    }

    #[test]
    fn what_may_be_cut_is_cut() {
        assert_eq!(
            printed(Some(22)),
            "name           n  last\n\
             a              1  x\n\
             a_long_n…  1,000\n"
        );
    }
}

//! A place in a script as a person finds it.

use unicode_width::UnicodeWidthStr as _;

/// Line and column (from 1, in characters) of an offset.
#[must_use]
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..floor(text, offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// The line of an offset with a caret beneath it, headed by `name:line:column`.
#[must_use]
pub fn excerpt(name: &str, text: &str, offset: usize) -> String {
    let offset = floor(text, offset);
    let (line, column) = position(text, offset);
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let shown = text[start..].lines().next().unwrap_or_default();
    let (shown, caret) = window(shown, offset - start);
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let pad = " ".repeat(caret);
    format!("{gutter}--> {name}:{line}:{column}\n{gutter} |\n{number} | {shown}\n{gutter} | {pad}^")
}

/// A line that fits a screen, and how wide it is before the offset. Tabs become spaces.
fn window(line: &str, offset: usize) -> (String, usize) {
    const BEFORE: usize = 80;
    const AFTER: usize = 80;
    let (before, after) = line.split_at(offset.min(line.len()));
    let skip = before.chars().count().saturating_sub(BEFORE);
    let mut shown: String = before.chars().skip(skip).collect();
    if skip > 0 {
        shown.insert(0, '…');
    }
    let shown = shown.replace('\t', "    ");
    let width = shown.width();
    let mut rest: String = after.chars().take(AFTER).collect();
    if after.chars().count() > AFTER {
        rest.push('…');
    }
    (shown + rest.replace('\t', "    ").trim_end(), width)
}

fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_place() {
        let text = "select 1;\n\tselect 'ä日' from x\nwhere";
        let offset = text.find("from").unwrap();
        assert_eq!(
            excerpt("sql/a.sql", text, offset),
            " --> sql/a.sql:2:14\n  |\n2 |     select 'ä日' from x\n  |                  ^"
        );
        assert_eq!(position(text, 9999), (3, 6));
        let long = format!("{} here {}", "x".repeat(500), "y".repeat(500));
        let shown = excerpt("a", &long, 501);
        assert!(
            shown.lines().all(|line| line.chars().count() < 180),
            "{shown}"
        );
    }
}

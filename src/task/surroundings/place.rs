//! Parts of texts in the documents they stand in.

use crate::document::{Span, Spanned};

/// Where a part of a text stands in the document it is in: the whole of it when that isn't known.
pub(in crate::task) fn place_of(
    text: &Spanned<String>,
    document: Option<&str>,
    part: &std::ops::Range<usize>,
) -> Span {
    let spelled = document.and_then(|all| all.get(text.span.range()));
    match spelled.and_then(|spelled| place_in(spelled, &text.value, part)) {
        Some(found) => text.span.slice(found),
        None => text.span,
    }
}

/// Where a part of a text stands in its spelling: plain, in quotes without escapes, or as an
/// indented block.
fn place_in(
    spelled: &str,
    text: &str,
    part: &std::ops::Range<usize>,
) -> Option<std::ops::Range<usize>> {
    if let Some(start) = spelled.find(text.trim_end()) {
        return Some(start + part.start..start + part.end);
    }
    // For each line of the text the offsets of its beginning in the text and in the spelling.
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut spelled_at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        loop {
            let rest = &spelled[spelled_at..];
            if rest.is_empty() {
                return None;
            }
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let found = rest[..length].trim_end_matches(['\n', '\r']);
            let start = spelled_at;
            spelled_at += length;
            let indent = found
                .strip_suffix(content)
                .filter(|indent| indent.trim().is_empty());
            if let Some(indent) = indent {
                lines.push((at, start + indent.len()));
                break;
            }
            // Only the block's header may come before the first line.
            if !lines.is_empty() {
                return None;
            }
        }
        at += line.len();
    }
    let place = |offset: usize| {
        let line = lines
            .partition_point(|(start, _)| *start <= offset)
            .checked_sub(1)?;
        let (start, spelled) = lines[line];
        Some(spelled + (offset - start))
    };
    Some(place(part.start)?..place(part.end)?)
}

#[cfg(test)]
mod tests {
    use super::place_in;

    #[test]
    fn parts_are_found_in_every_notation() {
        for (spelled, text, part, expected) in [
            ("select x", "select x", "x", Some("x")),
            ("\"select x\"", "select x", "x", Some("x")),
            (
                "|\n    select 1;\n\n      select x\n",
                "select 1;\n\n  select x\n",
                "x",
                Some("x"),
            ),
            (">\n  select\n  x\n", "select x\n", "x", None),
            ("\"a\\tx\"", "a\tx", "x", None),
        ] {
            let start = text.rfind(part).unwrap();
            let found = place_in(spelled, text, &(start..start + part.len()));
            assert_eq!(found.map(|range| &spelled[range]), expected, "{spelled}");
        }
    }
}

//! Texts cut at their expressions.

use std::ops::Range;

/// A piece of a text that has expressions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes to keep as they are.
    Text(Range<usize>),
    /// The bytes of `{{ … }}`, braces included.
    Expression(Range<usize>),
}

/// Splits a text at its `{{ … }}`, for places that don't paste values: a value of an SQL script is
/// bound, not rendered.
#[must_use]
pub fn segments(text: &str) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let Some(close) = closing_braces(text, open + 2) else {
            break;
        };
        if open > from {
            found.push(Segment::Text(from..open));
        }
        found.push(Segment::Expression(open..close));
        from = close;
    }
    if from < text.len() {
        found.push(Segment::Text(from..text.len()));
    }
    found
}

/// The end of the expression whose `{{` stands at `start`, braces included.
#[must_use]
pub fn expression_end(text: &str, start: usize) -> Option<usize> {
    closing_braces(text, start + 2)
}

/// The end of `}}` that closes an expression begun before `from`, quotes respected.
pub(super) fn closing_braces(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut depth = 0usize;
    let mut at = from;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_their_expressions() {
        let text = "a {{ '}}' }} b {{ {'x': 1} }}";
        let parts: Vec<&str> = segments(text)
            .into_iter()
            .map(|segment| match segment {
                Segment::Text(range) | Segment::Expression(range) => &text[range],
            })
            .collect();
        assert_eq!(parts, ["a ", "{{ '}}' }}", " b ", "{{ {'x': 1} }}"]);
    }
}

//! How deep a text may nest, before a parser finds out by running out of stack.

/// Most brackets that are open at the same time, whatever quotes say.
#[must_use]
pub fn open_brackets(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                most = most.max(open);
            }
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Most blocks that are open at the same time, each indented further than the one around it; `- `
/// and `? ` begin a block within a line.
#[must_use]
pub fn open_blocks(text: &str) -> usize {
    let mut open: Vec<usize> = Vec::new();
    let mut most = 0;
    for line in text.lines() {
        let mut rest = line.trim_start_matches(' ');
        if rest.is_empty() {
            continue;
        }
        let mut indent = line.len() - rest.len();
        while open.last().is_some_and(|outer| *outer >= indent) {
            open.pop();
        }
        open.push(indent);
        while let Some(inner) = rest.strip_prefix("- ").or(rest.strip_prefix("? ")) {
            rest = inner.trim_start_matches(' ');
            indent = line.len() - rest.len();
            open.push(indent);
        }
        most = most.max(open.len());
    }
    most
}

/// At most how deep the expressions of a text nest: open brackets, and the words and signs since
/// the last comma or semicolon, each of which may open another level.
#[must_use]
pub fn levels(text: &str) -> usize {
    let (mut open, mut run, mut most) = (0usize, 0, 0);
    let mut in_word = false;
    for c in text.chars() {
        let word = c.is_alphanumeric() || matches!(c, '_' | '"' | '\'');
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            ',' | ';' => run = 0,
            _ if word && in_word || c.is_whitespace() => {}
            _ => run += 1,
        }
        in_word = word;
        most = most.max(open + run);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_never_fewer_than_a_parser_sees() {
        for (text, brackets, at_least) in [
            ("", 0, 0),
            ("[[1], [2]]", 2, 2),
            ("not not not a", 0, 4),
            ("- - - a", 0, 4),
            ("1+1+1+1", 0, 7),
            ("case when case when a", 0, 5),
            ("a, b, c, (d)", 1, 2),
            ("]]]", 0, 0),
        ] {
            assert_eq!(open_brackets(text), brackets, "{text}");
            assert!(levels(text) >= at_least, "{text}: {}", levels(text));
        }
        for (text, blocks) in [
            ("a: 1\nb: 2\n", 1),
            ("a:\n  b:\n    c: 1\nd:\n  e: 1\n", 3),
            ("- - - a\n- b\n", 4),
            ("? ? a\n", 3),
        ] {
            assert_eq!(open_blocks(text), blocks, "{text}");
        }
        assert!(levels(&"(a, b), ".repeat(1000)) < 5);
    }
}

//! A text made from another, whose offsets can be traced back.

use std::ops::Range;

/// A text that was put together from pieces of another one and from new pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewritten {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// Where it begins in the new text.
    start: usize,
    /// What it stands for in the old one. A kept piece has the same length in both.
    origin: Range<usize>,
    kept: bool,
}

impl Rewritten {
    /// Adds a piece of the old text as it is.
    pub fn keep(&mut self, old: &str, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.pieces.push(Piece {
            start: self.text.len(),
            origin: range.clone(),
            kept: true,
        });
        self.text.push_str(&old[range]);
    }

    /// Adds `new` in the place of a piece of the old text; an empty range inserts.
    pub fn replace(&mut self, range: Range<usize>, new: &str) {
        self.pieces.push(Piece {
            start: self.text.len(),
            origin: range,
            kept: false,
        });
        self.text.push_str(new);
    }

    /// The new text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The new text, for those who don't ask for origins.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// The offset in the old text of an offset in the new one. Within a replaced piece it is the
    /// beginning of what was replaced.
    #[must_use]
    pub fn origin(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.start <= offset);
        let Some(piece) = after.checked_sub(1).map(|at| &self.pieces[at]) else {
            return 0;
        };
        if piece.kept {
            (piece.origin.start + (offset - piece.start)).min(piece.origin.end)
        } else {
            piece.origin.start
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_traced_back() {
        let old = "select :day, x";
        let mut new = Rewritten::default();
        new.keep(old, 0..7);
        new.replace(7..11, "CAST($1::text AS date)");
        new.keep(old, 11..14);
        assert_eq!(new.text(), "select CAST($1::text AS date), x");
        for (offset, origin) in [
            (0, 0),
            (6, 6),
            (7, 7),
            (20, 7),
            (29, 11),
            (31, 13),
            (32, 14),
        ] {
            assert_eq!(new.origin(offset), origin, "{offset}");
        }
    }
}

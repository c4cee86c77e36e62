//! What stands beside the records of a document.

/// A document without its records: a bounded copy of the text beside them, in which each array of
/// records is `[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::data) struct Outline {
    text: Vec<u8>,
    limit: usize,
    overflown: bool,
}

impl Outline {
    /// An outline of at most so many bytes.
    pub(in crate::data) fn new(limit: usize) -> Self {
        Self {
            text: Vec::new(),
            limit,
            overflown: limit == 0,
        }
    }

    pub(in crate::data) fn add(&mut self, bytes: &[u8]) {
        if self.overflown {
            return;
        }
        if self.text.len() + bytes.len() > self.limit {
            self.overflown = true;
            self.text = Vec::new();
            return;
        }
        self.text.extend_from_slice(bytes);
    }

    /// The text; `None` when it is longer than the limit.
    pub(in crate::data) fn text(self) -> Option<Vec<u8>> {
        (!self.overflown).then_some(self.text)
    }
}

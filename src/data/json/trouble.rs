//! What is wrong with a document, and where.

use crate::data::DataError;

/// Why a document can't be read on.
#[derive(Debug)]
pub(in crate::data) enum Trouble {
    /// Its bytes can't be had.
    Input(DataError),
    /// It is no JSON; the message names the place.
    Malformed(String),
    /// It ends too early: what was sent isn't all there was to send.
    Cut(String),
}

impl From<DataError> for Trouble {
    fn from(error: DataError) -> Self {
        Self::Input(error)
    }
}

impl Trouble {
    /// The error of a document with a name.
    pub(in crate::data) fn of(self, document: &str) -> DataError {
        match self {
            Self::Input(error) => error,
            Self::Malformed(message) => DataError::Record {
                message: format!("{document}: {message}"),
                place: None,
            },
            Self::Cut(message) => DataError::Source {
                message: format!("{document}: {message}"),
                retryable: true,
            },
        }
    }
}

/// How much text is shown on either side of a mistake.
const AROUND: usize = 32;

/// The bytes around a mistake, as a message shows them: control characters as spaces.
pub(super) fn excerpt(before: &[u8], after: &[u8]) -> String {
    let (cut_before, cut_after) = (before.len() > AROUND, after.len() > AROUND);
    let before = &before[before.len().saturating_sub(AROUND)..];
    let after = &after[..after.len().min(AROUND)];
    let mut text = String::new();
    if cut_before {
        text.push('…');
    }
    for (part, mark) in [(before, "⟶"), (after, "")] {
        let part = String::from_utf8_lossy(part);
        // Characters that were cut in two at the ends say nothing.
        let part = part.trim_matches('\u{fffd}');
        text.extend(part.chars().map(|c| if c.is_control() { ' ' } else { c }));
        text.push_str(mark);
    }
    if cut_after {
        text.push('…');
    }
    text
}

//! Names that people type: of DAGs, tasks, runs, pools and connections.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name in bytes. Names appear in paths, URLs and table columns.
pub const MAX_LENGTH: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidName {
    /// It has no characters.
    Empty,
    /// It is longer than [`MAX_LENGTH`] bytes.
    TooLong,
    /// It has a character outside `A-Z a-z 0-9 _ -`.
    Character(char),
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a name can't be empty"),
            Self::TooLong => write!(f, "a name has at most {MAX_LENGTH} characters"),
            Self::Character(c) => {
                write!(
                    f,
                    "`{c}` can't be in a name: use letters, digits, `_` and `-`"
                )
            }
        }
    }
}

impl std::error::Error for InvalidName {}

/// Checks the one rule that all names share: `[A-Za-z0-9_-]{1,64}`.
///
/// # Errors
/// The first rule that `text` breaks.
pub fn check_name(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if let Some(c) = text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-'))
    {
        return Err(InvalidName::Character(c));
    }
    if text.len() > MAX_LENGTH {
        return Err(InvalidName::TooLong);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// The rule that `text` breaks.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                check_name(text)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.to_string()
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a DAG: its `dag:` key.
    DagId
);
name!(
    /// The name of a dataset: what a task `writes` and a DAG comes `after`.
    DatasetId
);
name!(
    /// The name of a task within its DAG: its key in `tasks:`.
    TaskId
);
name!(
    /// The name of a run: short, sortable by creation, unique in a store.
    RunId
);
name!(
    /// The name of a pool of slots that tasks share.
    PoolId
);
name!(
    /// The name of a connection in `runner.yaml`.
    ConnectionId
);

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl RunId {
    /// How much chance is in a run id.
    pub const CHANCE_BITS: u32 = 40;

    /// A run id from the time of its creation and 40 bits of chance: nine characters of
    /// milliseconds since the Unix epoch and eight of chance, so that ids sort by time. Ids of
    /// earlier versions have four of chance and sort among them.
    #[must_use]
    pub fn generate(now: chrono::DateTime<chrono::Utc>, chance: u64) -> Self {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let chance = chance & ((1 << Self::CHANCE_BITS) - 1);
        let bits = (u128::from(millis) << Self::CHANCE_BITS) | u128::from(chance);
        let text: String = (0..17)
            .rev()
            .map(|position| char::from(BASE32[((bits >> (5 * position)) & 31) as usize]))
            .collect();
        Self(text.into())
    }
}

/// The place of a task in its DAG's list of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskIndex(pub u32);

impl TaskIndex {
    /// The index as a `usize`, for slices.
    #[must_use]
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_time_whatever_their_chance() {
        let at = |millis| chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let now = 1_795_281_684_123;
        let ids = [
            // An id of an earlier version.
            RunId("1m7yqv76e13m8".into()),
            RunId::generate(at(now), 0),
            RunId::generate(at(now), 1),
            RunId::generate(at(now), u64::MAX),
            RunId::generate(at(now + 1), 0),
        ];
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        assert_eq!(ids[3].as_str().len(), 17);
        assert!(ids[3].as_str().ends_with("zzzzzzzz"));
    }
}

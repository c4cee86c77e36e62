//! What people are told about runs by themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A run failed.
    Failure,
    /// A run succeeded after one of its DAG had failed.
    Recovery,
    /// A run wasn't over when it should have been.
    Deadline,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Failure, Self::Recovery, Self::Deadline];

    /// Its word in the language and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! Why a server didn't do what was asked of it.

use serde::Deserialize;

/// Why something that was asked of a server wasn't done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    message: String,
    help: Option<String>,
    kind: Kind,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whoever asks is wrong.
    Mistake,
    /// The same: there is no such thing.
    Missing,
    /// Nobody answers, or not now: it may pass.
    Away,
    /// The server, or what is between here and there.
    Broken,
}

/// A problem as RFC 9457 has it.
#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
    help: Option<String>,
}

impl Refusal {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            kind,
        }
    }

    /// A mistake of whoever asks.
    pub fn mistake(message: impl Into<String>) -> Self {
        Self::new(Kind::Mistake, message)
    }

    /// Nobody answers.
    pub fn away(message: impl Into<String>) -> Self {
        Self::new(Kind::Away, message)
    }

    /// What answers isn't what it should be.
    pub fn broken(message: impl Into<String>) -> Self {
        Self::new(Kind::Broken, message)
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How it can be mended.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Whether whoever asks is wrong; otherwise it is the server, or what leads to it.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        matches!(self.kind, Kind::Mistake | Kind::Missing)
    }

    /// Whether there is no such thing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
    }

    /// Whether nobody answered, which may pass.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.kind == Kind::Away
    }

    /// What a server says; `None`: it says nothing that is of its API.
    pub(super) fn of_problem(status: u16, body: &[u8]) -> Option<Self> {
        let problem: Problem = serde_json::from_slice(body).ok()?;
        // What can be mended by whoever asks says how; what passes doesn't.
        let kind = match status {
            404 => Kind::Missing,
            400..500 => Kind::Mistake,
            503 if problem.help.is_some() => Kind::Mistake,
            502..=504 => Kind::Away,
            _ => Kind::Broken,
        };
        Some(Self {
            message: problem.detail,
            help: problem.help,
            kind,
        })
    }
}

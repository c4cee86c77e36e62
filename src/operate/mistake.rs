//! Why something that was asked for isn't done.

use crate::document::nearest;
use crate::store::StoreError;

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MistakeKind {
    /// What was asked makes no sense.
    #[default]
    Wrong,
    /// There is no such thing.
    Missing,
    /// It can't be as things stand.
    Conflict,
    /// Nobody is there to do it.
    Nobody,
}

/// A mistake of whoever asks: said without a backtrace.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    message: String,
    help: Option<String>,
    kind: MistakeKind,
}

impl Mistake {
    /// A mistake, said in one sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            kind: MistakeKind::Wrong,
        }
    }

    /// There is no such thing.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(message).of(MistakeKind::Missing)
    }

    /// It can't be as things stand.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(message).of(MistakeKind::Conflict)
    }

    /// Nobody is there to carry runs out.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new("nobody is there to carry the run out")
            .of(MistakeKind::Nobody)
            .help("`runner schedule` does")
    }

    fn of(mut self, kind: MistakeKind) -> Self {
        self.kind = kind;
        self
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

    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> MistakeKind {
        self.kind
    }
}

/// Why something that was asked for isn't done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Whoever asked is wrong.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// Something that should never happen.
    #[error("{0}")]
    Other(String),
}

/// "DAG `x` doesn't exist: did you mean `y`?"
pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Mistake {
    let known: Vec<&str> = known.collect();
    let mistake = Mistake::missing(format!("{what} `{name}` doesn't exist"));
    match nearest(name, known.iter().copied()) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => mistake.help("there are none"),
        None if known.len() <= 20 => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            mistake.help(format!("there are {}", names.join(", ")))
        }
        None => mistake,
    }
}

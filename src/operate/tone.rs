//! How a state looks: a sign and a word, and the name of its colour on pages.

use crate::model::{AttemptOutcome, Outcome, RunState, TaskState};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    Failed,
    UpstreamFailed,
    Interrupted,
    Cancelled,
    Retry,
    Running,
    Ready,
    Queued,
    Waiting,
    Skipped,
    Success,
}

impl Tone {
    /// All, the worst first.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::UpstreamFailed,
        Self::Interrupted,
        Self::Cancelled,
        Self::Retry,
        Self::Running,
        Self::Ready,
        Self::Queued,
        Self::Waiting,
        Self::Skipped,
        Self::Success,
    ];

    /// Of a run; `interrupted`: its process is gone and it isn't over.
    #[must_use]
    pub fn of_run(state: RunState, interrupted: bool) -> Self {
        match state {
            _ if interrupted => Self::Interrupted,
            RunState::Queued => Self::Queued,
            RunState::Running => Self::Running,
            RunState::Cancelling | RunState::Cancelled => Self::Cancelled,
            RunState::Success => Self::Success,
            RunState::Failed => Self::Failed,
        }
    }

    /// Of a task run; `interrupted`: the process that carried its run out is gone.
    #[must_use]
    pub fn of_task(state: &TaskState, interrupted: bool) -> Self {
        match state {
            TaskState::Waiting => Self::Waiting,
            TaskState::Ready => Self::Ready,
            TaskState::Running { .. } | TaskState::Expanded { .. } if interrupted => {
                Self::Interrupted
            }
            TaskState::Running { .. } | TaskState::Expanded { .. } => Self::Running,
            TaskState::RetryWait { .. } => Self::Retry,
            TaskState::Finished { outcome, .. } => match outcome {
                Outcome::Success => Self::Success,
                Outcome::Failed(_) => Self::Failed,
                Outcome::Skipped => Self::Skipped,
                Outcome::UpstreamFailed => Self::UpstreamFailed,
                Outcome::Cancelled => Self::Cancelled,
            },
        }
    }

    /// Of an attempt that ended.
    #[must_use]
    pub fn of_attempt(outcome: &AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Success => Self::Success,
            AttemptOutcome::Failed { .. } => Self::Failed,
            AttemptOutcome::Skipped => Self::Skipped,
            AttemptOutcome::Cancelled => Self::Cancelled,
        }
    }

    /// The class of the style sheet that has its colour.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Success => "s-ok",
            Self::Failed => "s-bad",
            Self::UpstreamFailed => "s-up",
            Self::Running => "s-busy",
            Self::Ready | Self::Queued => "s-next",
            Self::Waiting => "s-wait",
            Self::Retry | Self::Interrupted => "s-warn",
            Self::Skipped => "s-skip",
            Self::Cancelled => "s-end",
        }
    }

    /// The sign that the command line uses as well.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Success => "✓",
            Self::Failed => "✗",
            Self::UpstreamFailed => "⊘",
            Self::Running => "▸",
            Self::Ready | Self::Queued => "◦",
            Self::Waiting => "·",
            Self::Retry => "↻",
            Self::Interrupted => "!",
            Self::Skipped => "○",
            Self::Cancelled => "■",
        }
    }

    /// The word that people read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::UpstreamFailed => "upstream failed",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Retry => "waits to retry",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

//! Policies a pipeline sets around a task: when it may start, how often it is tried.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::FailureKind;

/// Which ends of a task's `needs` let it start. The names are Airflow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRule {
    /// All succeeded.
    #[default]
    AllSuccess,
    /// All ended, however.
    AllDone,
    /// All failed, or could not start because of a failure.
    AllFailed,
    /// All were skipped.
    AllSkipped,
    /// At least one succeeded; it doesn't wait for the others.
    OneSuccess,
    /// At least one failed; it doesn't wait for the others.
    OneFailed,
    /// All ended, and none failed.
    NoneFailed,
    /// All ended, and none was skipped.
    NoneSkipped,
    /// All ended, none failed, and at least one succeeded.
    NoneFailedMinOneSuccess,
}

impl TriggerRule {
    /// Every rule, for messages and the reference.
    pub const ALL: &[(&str, Self)] = &[
        ("all_success", Self::AllSuccess),
        ("all_done", Self::AllDone),
        ("all_failed", Self::AllFailed),
        ("all_skipped", Self::AllSkipped),
        ("one_success", Self::OneSuccess),
        ("one_failed", Self::OneFailed),
        ("none_failed", Self::NoneFailed),
        ("none_skipped", Self::NoneSkipped),
        ("none_failed_min_one_success", Self::NoneFailedMinOneSuccess),
    ];
}

/// How the wait between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always `delay`.
    #[default]
    Constant,
    /// `delay` times the number of the attempt that failed.
    Linear,
    /// `delay` doubled with every attempt that failed.
    Exponential,
}

/// How often a task is tried, and when again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: u32,
    pub delay: Duration,
    pub backoff: Backoff,
    /// No wait is longer, jitter included.
    pub max_delay: Duration,
    /// Share of the wait that is drawn by chance, 0 to 1: a wait `w` becomes `w × (1 ± jitter)`.
    pub jitter: f64,
    /// The causes that are worth another attempt.
    pub on: Vec<FailureKind>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 0,
            delay: Duration::from_secs(5),
            backoff: Backoff::Exponential,
            max_delay: Duration::from_mins(5),
            jitter: 0.1,
            on: vec![
                FailureKind::Retryable,
                FailureKind::TimedOut,
                FailureKind::Lost,
            ],
        }
    }
}

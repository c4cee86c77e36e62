//! Whether there is another attempt, and when.

use std::time::Duration;

use crate::model::{Backoff, FailureKind, RetryPolicy, TaskRunId, Timestamp};

/// How often a recovery may find an attempt of one task run lost before that counts as a failure.
/// A lost attempt says more about the machine than about the task; but a task that takes the whole
/// process down with it must end some day.
pub const FORGIVEN_LOSSES: u32 = 10;

/// What the jitter of one wait is drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    /// [`RunSpec::seed`](crate::model::RunSpec::seed).
    pub(super) seed: u64,
    pub(super) task_run: TaskRunId,
    pub(super) generation: u32,
    /// The number of the attempt that failed.
    pub(super) attempt: u32,
}

/// The wait before the next attempt, or `None` when there is none.
///
/// `spent` counts the failures so far, this one included. The wait grows with it by the policy's
/// backoff, is jittered, is at least `retry_after`, and at most `max_delay`, whoever asks for more.
pub(super) fn wait(
    policy: &RetryPolicy,
    kind: FailureKind,
    spent: u32,
    retry_after: Option<Duration>,
    draw: Draw,
) -> Option<Duration> {
    if spent > policy.retries || !policy.on.contains(&kind) {
        return None;
    }
    let grown = grow(policy, spent).min(policy.max_delay);
    let wait = jitter(grown, policy.jitter, draw).max(retry_after.unwrap_or_default());
    Some(wait.min(policy.max_delay))
}

fn grow(policy: &RetryPolicy, failures: u32) -> Duration {
    let factor = match policy.backoff {
        Backoff::Constant => 1,
        Backoff::Linear => failures.max(1),
        Backoff::Exponential => 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX),
    };
    policy.delay.saturating_mul(factor)
}

/// Draws from `wait × (1 − share) ..= wait × (1 + share)`.
fn jitter(wait: Duration, share: f64, draw: Draw) -> Duration {
    let span = wait.as_secs_f64() * share.clamp(0.0, 1.0);
    let Ok(span) = Duration::try_from_secs_f64(span) else {
        return wait;
    };
    let span = span.as_nanos();
    if span == 0 {
        return wait;
    }
    let drawn = u128::from(hash(draw)) % (2 * span + 1);
    let nanos = wait.as_nanos().saturating_sub(span).saturating_add(drawn);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The numbers of a draw, one after the other through `splitmix64`.
fn hash(draw: Draw) -> u64 {
    let item = draw.task_run.item.map_or(0, |item| u64::from(item) + 1);
    [
        u64::from(draw.task_run.task.0),
        item,
        u64::from(draw.generation),
        u64::from(draw.attempt),
    ]
    .into_iter()
    .fold(splitmix64(draw.seed), |state, part| {
        splitmix64(state ^ part)
    })
}

/// Sebastiano Vigna's generator: one step from `state`. Small, and the same everywhere.
fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `at` plus `wait`; the end of time where that is further away.
pub(super) fn later(at: Timestamp, wait: Duration) -> Timestamp {
    chrono::TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| at.checked_add_signed(wait))
        .unwrap_or(Timestamp::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskIndex;

    const S: Duration = Duration::from_secs(1);

    fn draw(seed: u64) -> Draw {
        Draw {
            seed,
            task_run: TaskRunId {
                task: TaskIndex(3),
                item: None,
            },
            generation: 0,
            attempt: 1,
        }
    }

    fn policy(backoff: Backoff, jitter: f64) -> RetryPolicy {
        RetryPolicy {
            retries: 40,
            delay: S,
            backoff,
            max_delay: 60 * S,
            jitter,
            ..RetryPolicy::default()
        }
    }

    #[test]
    fn splitmix64_gives_the_numbers_of_its_reference() {
        // The first two of the reference implementation seeded with 0.
        assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix64(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn the_wait_grows_by_its_backoff_up_to_the_longest() {
        let table = [
            (Backoff::Constant, [1, 1, 1, 1, 1]),
            (Backoff::Linear, [1, 2, 3, 10, 40]),
            (Backoff::Exponential, [1, 2, 4, 60, 60]),
        ];
        for (backoff, expected) in table {
            let waits = [1, 2, 3, 10, 40].map(|spent| {
                let policy = policy(backoff, 0.0);
                wait(&policy, FailureKind::Retryable, spent, None, draw(0)).map(|w| w.as_secs())
            });
            assert_eq!(waits, expected.map(Some), "{backoff:?}");
        }
    }

    #[test]
    fn jitter_stays_in_its_share_and_depends_on_the_seed_alone() {
        let policy = policy(Backoff::Constant, 0.5);
        let waits: Vec<Duration> = (0..200)
            .filter_map(|seed| wait(&policy, FailureKind::Lost, 1, None, draw(seed)))
            .collect();
        let again = wait(&policy, FailureKind::Lost, 1, None, draw(7));
        assert_eq!(Some(waits[7]), again);
        assert!(waits.iter().all(|w| (S / 2..=S * 3 / 2).contains(w)));
        assert!(waits.iter().any(|w| *w < S * 3 / 4) && waits.iter().any(|w| *w > S * 5 / 4));
    }

    #[test]
    fn nobody_waits_longer_than_the_longest() {
        let policy = policy(Backoff::Exponential, 1.0);
        for seed in 0..200 {
            for asked in [None, Some(2 * S), Some(3600 * S)] {
                let waited = wait(&policy, FailureKind::Retryable, 30, asked, draw(seed));
                let waited = waited.expect("a retry is left");
                assert!(waited <= policy.max_delay);
                assert!(waited >= asked.unwrap_or_default().min(policy.max_delay));
            }
        }
    }

    #[test]
    fn no_more_attempts_than_allowed_and_only_for_the_named_causes() {
        let mut policy = policy(Backoff::Constant, 0.0);
        policy.retries = 2;
        let again = |kind, spent| wait(&policy, kind, spent, None, draw(0)).is_some();
        assert!(again(FailureKind::Retryable, 2));
        assert!(!again(FailureKind::Retryable, 3));
        assert!(!again(FailureKind::Permanent, 1));
    }
}

//! When a task is tried again.

use super::task::{DefaultsRecord, RetryRecord};
use crate::document::units::format_duration;
use crate::document::{Diagnostic, Report, Spanned};
use crate::model::{Backoff, RetryPolicy};

/// The retry policy from the task's own keys, then the DAG's, then the project's.
pub fn retry_policy(
    retries: Option<&Spanned<u32>>,
    retry: Option<&RetryRecord>,
    defaults: &[&DefaultsRecord],
    report: &mut Report,
) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for level in defaults.iter().rev() {
        apply(&mut policy, level.retries.as_ref(), level.retry.as_ref());
    }
    if let (Some(retries), Some(attempts)) =
        (retries, retry.and_then(|retry| retry.attempts.as_ref()))
    {
        report.push(
            Diagnostic::error(
                "contradiction",
                "`retries` and `retry.attempts` say the same thing twice",
                attempts.span,
            )
            .related(retries.span, "`retries` is here")
            .label("remove one of them"),
        );
    }
    apply(&mut policy, retries, retry);
    policy
}

fn apply(policy: &mut RetryPolicy, retries: Option<&Spanned<u32>>, retry: Option<&RetryRecord>) {
    if let Some(retries) = retries {
        policy.retries = retries.value;
    }
    let Some(retry) = retry else { return };
    if let Some(attempts) = &retry.attempts {
        policy.retries = attempts.get() - 1;
    }
    if let Some(delay) = retry.delay {
        policy.delay = delay;
        // A delay that a person chose isn't cut by the default limit.
        policy.max_delay = policy.max_delay.max(delay);
        if retry.backoff.is_none() {
            policy.backoff = Backoff::Constant;
        }
    }
    if let Some(backoff) = retry.backoff {
        policy.backoff = backoff;
    }
    if let Some(max_delay) = &retry.max_delay {
        policy.max_delay = max_delay.value;
    }
    if let Some(jitter) = &retry.jitter {
        policy.jitter = jitter.value;
    }
    if let Some(on) = &retry.on {
        policy.on.clone_from(&on.0);
    }
}

/// Reports values of `retry` that make no sense.
pub fn check_retry(retry: &RetryRecord, report: &mut Report) {
    if let Some(jitter) = &retry.jitter
        && !(0.0..=1.0).contains(&jitter.value)
    {
        report.push(
            Diagnostic::error(
                "invalid-value",
                format!("`{}` is no share: expected 0 to 1", jitter.value),
                jitter.span,
            )
            .label("0.1 is ten per cent"),
        );
    }
    if let (Some(delay), Some(max_delay)) = (retry.delay, &retry.max_delay)
        && max_delay.value < delay
    {
        report.push(
            Diagnostic::error(
                "contradiction",
                "`max_delay` is shorter than `delay`",
                max_delay.span,
            )
            .label(format!("at least `{}`", format_duration(delay))),
        );
    }
}

//! Sending a request until there is an answer, or no more use in it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::address::shown;
use super::api::Shared;
use super::body::too_long;
use super::call::Call;
use super::cause::Failure;
use super::{HttpError, HttpHead, HttpRequest, HttpResponse, Sending};
use crate::connection::unreachable::advised;
use crate::document::units::format_duration;

/// The wait before the second try, doubled for each one after it.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// An answer of an accepted status.
pub(super) enum Answer {
    /// Its body is still to be read.
    Open(Box<HttpResponse>),
    Whole(HttpHead, Bytes),
}

/// The time that a request may take yet.
pub(super) struct Budget {
    pub(super) left: Duration,
}

impl Budget {
    /// Does something within it.
    ///
    /// # Errors
    /// The attempt was cancelled; the time is over.
    pub(super) async fn spend<T>(
        &mut self,
        work: impl Future<Output = T>,
        around: &Sending,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let done = tokio::select! {
            biased;
            () = around.cancel.cancelled() => Err(Failure::cancelled()),
            done = timeout(self.left, work) => done.map_err(|_| too_long()),
        };
        self.left = self.left.saturating_sub(began.elapsed());
        done
    }
}

/// Tries until there is an answer; with `whole`, one whose body could be read to its end.
pub(super) async fn try_until(
    shared: &Shared,
    request: &HttpRequest,
    whole: Option<u64>,
    around: &Sending,
) -> Result<Answer, HttpError> {
    let call = Call {
        shared,
        base: shared.base.url().await?,
        request,
        around,
    };
    let url = call.url()?;
    let name = format!("{} {}", request.method.as_str(), shown(&url));
    let policy = &shared.policy;
    let tries = request.limits.tries.unwrap_or(policy.tries).max(1);
    let mut budget = Budget {
        left: request.limits.timeout.unwrap_or(policy.timeout),
    };
    let mut number = 1;
    loop {
        let failure = match call.trip(url.clone(), &mut budget).await {
            Ok(response) => match whole {
                None => return Ok(Answer::Open(Box::new(response))),
                Some(limit) => match read(response, limit, &mut budget).await {
                    Ok((head, bytes)) => return Ok(Answer::Whole(head, bytes)),
                    Err(failure) => failure,
                },
            },
            Err(failure) => failure,
        };
        let asked = failure.retry_after.unwrap_or_default();
        if failure.status == Some(429) {
            // The others would hear the same.
            for rate in [&request.rate, &shared.rate].into_iter().flatten() {
                rate.hold(asked.min(policy.longest_wait));
            }
        }
        let retryable = failure.transient && (request.may_repeat() || failure.unsent);
        let wait = wait(number, &name).max(asked);
        let worth_it = wait <= policy.longest_wait && wait < budget.left;
        if !(retryable && number < tries && worth_it) {
            return Err(told(&failure, &name, request, number, around));
        }
        number += 1;
        let line = format!(
            "{name}: again in {} (try {number} of {tries})",
            format_duration(wait)
        );
        (around.log)(&around.masker.mask(&line));
        if let Err(failure) = budget.spend(sleep(wait), around).await {
            return Err(told(&failure, &name, request, number, around));
        }
    }
}

async fn read(
    mut response: HttpResponse,
    limit: u64,
    budget: &mut Budget,
) -> Result<(HttpHead, Bytes), Failure> {
    let began = Instant::now();
    let bytes = response.body.whole_or(limit).await;
    budget.left = budget.left.saturating_sub(began.elapsed());
    Ok((response.head, bytes?))
}

/// The last failure, for the task.
fn told(
    failure: &Failure,
    name: &str,
    request: &HttpRequest,
    number: u32,
    around: &Sending,
) -> HttpError {
    let mut message = format!("{name}: {}", failure.reason);
    if number > 1 {
        message.push_str(&format!(", at the last of {number} tries"));
    }
    if failure.unsent {
        message = advised(message);
    }
    let repeatable = request.may_repeat() || failure.unsent;
    if failure.transient && !repeatable {
        message.push_str(&format!(
            "; it isn't sent again, since a {} may have had its effect: say `idempotent: true` if a \
             second one does no harm",
            request.method.as_str()
        ));
    }
    HttpError {
        message: around.masker.mask(&message),
        retryable: failure.transient && repeatable,
        retry_after: failure.retry_after,
        status: failure.status,
    }
}

/// The wait after a try: growing, and different for each request, so that many that failed together
/// don't come back together.
fn wait(number: u32, name: &str) -> Duration {
    let grown = FIRST_WAIT * 2_u32.saturating_pow(number.saturating_sub(1).min(10));
    let mut hasher = DefaultHasher::new();
    (name, number, std::process::id()).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
    grown / 2 + grown * share / 1000 / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ() {
        for number in 1..8 {
            let full = FIRST_WAIT * 2_u32.pow(number - 1);
            let waits: Vec<Duration> = (0..50)
                .map(|item| wait(number, &format!("GET /{item}")))
                .collect();
            assert!(waits.iter().all(|wait| (full / 2..=full).contains(wait)));
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}

//! Ids of traces and spans. They follow from what they are of, so that every process that has to do
//! with a run says the same ones, after a crash, too.

use sha2::{Digest as _, Sha256};

use crate::model::{AttemptId, RunId};

/// The id of a trace, 16 bytes.
pub type TraceId = [u8; 16];
/// The id of a span, 8 bytes.
pub type SpanId = [u8; 8];

/// The trace of a run.
#[must_use]
pub fn trace_of(run: &RunId) -> TraceId {
    cut(&hash(&format!("trace {run}")))
}

/// The span of a whole run.
#[must_use]
pub fn run_span(run: &RunId) -> SpanId {
    cut(&hash(&format!("run {run}")))
}

/// The span of an attempt.
#[must_use]
pub fn attempt_span(attempt: &AttemptId) -> SpanId {
    let AttemptId {
        run,
        task_run,
        generation,
        number,
        ..
    } = attempt;
    let item = task_run.item.map_or(-1, i64::from);
    let task = task_run.task.0;
    cut(&hash(&format!(
        "attempt {run} {task} {item} {generation} {number}"
    )))
}

/// What tells others which span they are called from, as W3C's Trace Context has it: sampled.
#[must_use]
pub fn traceparent(attempt: &AttemptId) -> String {
    let (trace, span) = (trace_of(&attempt.run), attempt_span(attempt));
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    format!("00-{}-{}-01", hex(&trace), hex(&span))
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The first bytes; none but zeroes would be no id, and doesn't come out of a hash.
fn cut<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|at| hash[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TaskIndex, TaskRunId};

    #[test]
    fn ids_follow_from_what_they_are_of() {
        let attempt = |number| AttemptId {
            run: RunId::new("r1").unwrap(),
            task_run: TaskRunId {
                task: TaskIndex(2),
                item: Some(0),
            },
            generation: 0,
            number,
            fence: u64::from(number),
        };
        let text = traceparent(&attempt(1));
        assert_eq!(text, traceparent(&attempt(1)));
        let parts: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
        let other = traceparent(&attempt(2));
        assert_eq!(text[..36], other[..36]);
        assert_ne!(text, other);
    }
}

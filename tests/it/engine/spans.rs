//! What the planner remembers, written down and read.

use proptest::collection::vec;
use proptest::prelude::*;

use runner::engine::plan::{Cause, Firing, Memory, Occurrence};
use runner::model::{Json, Timestamp};

fn start(at: i64, length: i64, cause: Cause) -> Occurrence {
    let time = |at| Timestamp::from_timestamp_micros(at).unwrap();
    Occurrence {
        tick: time(at),
        interval_start: time(at - length),
        interval_end: time(at),
        cause,
    }
}

fn memory(waiting: Vec<Occurrence>) -> Memory {
    Memory {
        waiting,
        ..Memory::default()
    }
}

#[test]
fn three_days_of_minutes_are_a_line() {
    let minute = 60_000_000;
    let waiting = (0..4320).map(|number| start(number * minute, minute, Cause::Tick));
    let text = serde_json::to_string(&memory(waiting.collect())).unwrap();
    assert!(text.len() < 400, "{text}");
}

#[test]
fn what_was_written_one_by_one_is_read() {
    let one = r#"{"tick":"2026-11-21T03:00:00Z","interval_start":"2026-11-20T03:00:00Z","interval_end":"2026-11-21T03:00:00Z"}"#;
    let mut text = serde_json::to_value(memory(Vec::new())).unwrap();
    text["waiting"] = serde_json::from_str(&format!("[{one},{one}]")).unwrap();
    let read: Memory = serde_json::from_value(text).unwrap();
    assert_eq!(read.waiting.len(), 2);
    assert_eq!(read.waiting[0], read.waiting[1]);
}

fn cause() -> impl Strategy<Value = Cause> {
    let fired = Cause::Fired(Firing {
        source: "file `a`".to_owned(),
        detail: Json(r#"{"path":"a","size":1.50}"#.into()),
        params: Json("{}".into()),
    });
    prop_oneof![4 => Just(Cause::Tick), 1 => Just(Cause::After), 1 => Just(fired)]
}

proptest! {
    #[test]
    fn all_come_back(parts in vec((0i64..9, 0i64..3, 1i64..3, cause()), 0..30)) {
        let mut at = 0;
        let waiting = parts.into_iter().map(|(later, length, times, cause)| {
            at += later * times;
            start(at, length, cause)
        });
        let memory = memory(waiting.collect());
        let text = serde_json::to_string(&memory).unwrap();
        prop_assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
    }
}

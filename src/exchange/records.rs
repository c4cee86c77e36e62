//! Records in bulk, to measure how fast they are read: `/records?page=1&size=10000&count=1000000`.

use std::fmt::Write as _;

use super::reply::{Asked, Reply};
use super::walk::mix;

/// Largest page.
const LARGEST: u64 = 100_000;

const PAIRS: [&str; 4] = ["btceur", "etheur", "solusd", "xrpusd"];

/// A page of records of about 120 bytes each; an empty one behind the last.
pub(super) fn answer(asked: &Asked<'_>) -> Reply {
    let number = |key, default| {
        asked
            .query(key)
            .map_or(Some(default), |text| text.parse().ok())
    };
    let read = (
        number("page", 1),
        number("size", 10_000),
        number("count", 1_000_000_u64),
    );
    let (Some(page @ 1..), Some(size @ 1..=LARGEST), Some(count)) = read else {
        let body = r#"{"error":"page, size (at most 100000) and count are whole numbers"}"#;
        return Reply::text(422, body.to_owned());
    };
    let first = (page - 1).saturating_mul(size).min(count);
    let last = first.saturating_add(size).min(count);
    let mut body = String::with_capacity(usize::try_from((last - first) * 128).unwrap_or(0) + 64);
    // Writing into a text can't fail.
    let _ = write!(body, r#"{{"page":{page},"count":{count},"records":["#);
    for id in first..last {
        let drawn = mix(asked.market.seed ^ mix(id));
        let pair = PAIRS[usize::try_from(drawn % 4).unwrap_or(0)];
        let taken = if drawn & 16 == 0 { "buy" } else { "sell" };
        let (minute, second) = (id / 60 % 60, id % 60);
        let (day, hour) = (id / 86_400 % 28 + 1, id / 3_600 % 24);
        let comma = if id == first { "" } else { "," };
        let _ = write!(
            body,
            r#"{comma}{{"id":{},"pair":"{pair}","side":"{taken}","price":{}.{:04},"amount":{}.{:08},"at":"2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z"}}"#,
            id + 1,
            drawn % 90_000 + 10_000,
            (drawn >> 20) % 10_000,
            (drawn >> 34) % 10,
            (drawn >> 36) % 100_000_000,
        );
    }
    body.push_str("]}");
    Reply::text(200, body)
}

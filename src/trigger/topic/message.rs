//! A message as templates see it.

use serde_json::{Map as JsonMap, Value as Json};

use crate::connection::kafka::Message;

/// What is known of a message.
pub(super) const NAMES: &[&str] = &[
    "topic",
    "partition",
    "offset",
    "timestamp",
    "key",
    "headers",
    "value",
];

/// Longer ones aren't handed to runs.
const MOST_BYTES: usize = 64 * 1024;

pub(super) fn detail(message: &Message<'_>) -> JsonMap<String, Json> {
    let time = message.timestamp().and_then(|at| {
        let at = crate::model::Timestamp::from_timestamp_millis(at)?;
        Some(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    });
    let headers = message.headers();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.map_or(Json::Null, text)));
    let values = [
        message.topic().into(),
        message.partition().into(),
        message.offset().into(),
        time.into(),
        message.key().map_or(Json::Null, text),
        Json::Object(headers.collect()),
        message.value().map_or(Json::Null, value),
    ];
    let names = NAMES.iter().map(|name| (*name).to_owned());
    names.zip(values).collect()
}

fn text(bytes: &[u8]) -> Json {
    if bytes.len() > MOST_BYTES {
        return Json::Null;
    }
    std::str::from_utf8(bytes).map_or(Json::Null, Json::from)
}

fn value(bytes: &[u8]) -> Json {
    if bytes.len() > MOST_BYTES {
        return Json::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_a_text() {
        for (bytes, expected) in [
            (&br#"{"price":1.10}"#[..], r#"{"price":1.10}"#),
            (b"12", "12"),
            (b"hello", r#""hello""#),
            (b"{oh", r#""{oh""#),
            (b"\xff\xfe", "null"),
            (b"", r#""""#),
        ] {
            assert_eq!(value(bytes).to_string(), expected);
        }
        assert_eq!(value(&vec![b'a'; MOST_BYTES + 1]), Json::Null);
    }
}

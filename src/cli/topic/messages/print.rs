//! How messages are shown.

use std::io::Write;

use chrono::DateTime;
use serde_json::{Value as Json, json};

use super::{OFFSET, PARTITION};
use crate::cli::arguments::Format;
use crate::cli::{look, moment};
use crate::connection::kafka::Message;
use crate::model::Timestamp;

/// The longest a cell of a key or of headers gets.
const CELL: usize = 32;

/// What is shown of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) time: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(super) value: Option<Vec<u8>>,
}

impl Line {
    pub(super) fn of(message: &Message<'_>) -> Self {
        let owned = |bytes: &[u8]| bytes.to_vec();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            time: message.timestamp(),
            key: message.key().map(owned),
            headers: message
                .headers()
                .map(|(name, value)| (name.to_owned(), value.map(owned)))
                .collect(),
            value: message.value().map(owned),
        }
    }
}

/// Prints lines below each other, aligned as well as can be known before all are there.
pub(super) struct Printer<W: Write> {
    pub(super) out: W,
    pub(super) format: Format,
    pub(super) topic: String,
    pub(super) now: Timestamp,
    /// The columns of the terminal.
    pub(super) room: Option<usize>,
    /// Of partition, offset, time and key: the widest so far.
    pub(super) widths: [usize; 4],
    /// Whether the headings have been printed.
    pub(super) headed: bool,
}

impl<W: Write> Printer<W> {
    pub(super) fn print(&mut self, lines: &[Line]) -> std::io::Result<()> {
        if self.format == Format::Json {
            for line in lines {
                writeln!(self.out, "{}", self.as_json(line))?;
            }
            return self.out.flush();
        }
        let rows: Vec<([String; 4], String, String)> =
            lines.iter().map(|line| self.cells(line)).collect();
        for (cells, ..) in &rows {
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                *width = (*width).max(unicode_width::UnicodeWidthStr::width(cell.as_str()));
            }
        }
        let faint = look::FAINT;
        let [a, b, c, d] = self.widths;
        if !rows.is_empty() && !std::mem::replace(&mut self.headed, true) {
            let mut head = format!("{PARTITION:>a$}  {OFFSET:>b$}  {:c$}  ", "time");
            if d > 0 {
                head.push_str(&format!("{:d$}  ", "key"));
            }
            writeln!(self.out, "{faint}{head}value{faint:#}")?;
        }
        for ([partition, offset, time, key], headers, value) in &rows {
            let time = look::fit(time, c);
            let mut text = format!("{partition:>a$}  {offset:>b$}  {time}  ");
            if d > 0 {
                text.push_str(&format!("{}  ", look::fit(key, d)));
            }
            let used = unicode_width::UnicodeWidthStr::width(text.as_str());
            let mut rest = value.clone();
            if let Some(room) = self.room {
                let left = room.saturating_sub(used).max(CELL);
                look::fit(value, left).trim_end().clone_into(&mut rest);
            }
            let (place, after) = text.split_at(a + 2 + b);
            write!(self.out, "{faint}{place}{faint:#}{after}{rest}")?;
            if !headers.is_empty() {
                write!(self.out, "  {faint}{headers}{faint:#}")?;
            }
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    fn cells(&self, line: &Line) -> ([String; 4], String, String) {
        let time = line
            .time
            .and_then(DateTime::from_timestamp_millis)
            .map(|at| moment::exact(at, self.now))
            .unwrap_or_default();
        let key = line.key.as_deref().map(escaped).unwrap_or_default();
        let key = shortened(&key, self.room);
        let headers: Vec<String> = line
            .headers
            .iter()
            .map(|(name, value)| {
                let value = value.as_deref().map_or("null".to_owned(), escaped);
                format!(
                    "{}={}",
                    escaped(name.as_bytes()),
                    shortened(&value, self.room)
                )
            })
            .collect();
        let value = line.value.as_deref().map_or("null".to_owned(), escaped);
        let cells = [
            line.partition.to_string(),
            line.offset.to_string(),
            time,
            key,
        ];
        (cells, headers.join(" "), value)
    }

    fn as_json(&self, line: &Line) -> Json {
        let headers: Vec<Json> = line
            .headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": bytes_as_json(value.as_deref()) }))
            .collect();
        json!({
            "topic": self.topic,
            "partition": line.partition,
            "offset": line.offset,
            "time": line.time.and_then(DateTime::from_timestamp_millis).map(moment::utc),
            "key": bytes_as_json(line.key.as_deref()),
            "headers": headers,
            "value": bytes_as_json(line.value.as_deref()),
        })
    }
}

/// A text where it is one, otherwise `{ "hex": "…" }`.
fn bytes_as_json(bytes: Option<&[u8]>) -> Json {
    let Some(bytes) = bytes else {
        return Json::Null;
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Json::String(text.to_owned());
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "hex": hex })
}

/// On a terminal, a text that isn't too wide.
fn shortened(text: &str, room: Option<usize>) -> String {
    match room {
        Some(_) if unicode_width::UnicodeWidthStr::width(text) > CELL => look::fit(text, CELL),
        _ => text.to_owned(),
    }
}

/// The bytes on one line: what is no text, and what would move the cursor, as `\xff`, `\n` or `\u{1b}`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut line = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\r' | '\t' => line.extend(character.escape_default()),
                other if other.is_control() => line.extend(other.escape_unicode()),
                other => line.push(other),
            }
        }
        for byte in chunk.invalid() {
            line.push_str(&format!("\\x{byte:02x}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_on_one_line() {
        for (bytes, expected) in [
            (&b"plain \xc3\xbc"[..], "plain ü"),
            (b"a\nb\tc\x1b[2J", "a\\nb\\tc\\u{1b}[2J"),
            (b"\xff\x00x", "\\xff\\u{0}x"),
            (b"{\"a\": \"\\n\"}", "{\"a\": \"\\n\"}"),
        ] {
            assert_eq!(escaped(bytes), expected);
        }
    }
}

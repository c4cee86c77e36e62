//! Messages that are loaded together.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::connection::kafka::Message;
use crate::data::csv::CsvDialect;
use crate::data::decode::{MessageDecoder, MessageFormat, Segment};
use crate::data::ndjson::Wanted;

/// What is read of messages.
#[derive(Debug, Clone)]
pub(in crate::task) struct Gathering {
    pub(in crate::task) format: MessageFormat,
    pub(in crate::task) wanted: Wanted,
    /// The names of CSV's fields.
    pub(in crate::task) fields: Vec<String>,
    pub(in crate::task) dialect: CsvDialect,
    /// Keeps the messages as they were sent, for dead letters.
    pub(in crate::task) originals: bool,
}

/// Where a message stands in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::task) struct Origin {
    pub(in crate::task) partition: i32,
    pub(in crate::task) offset: i64,
}

/// A message that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::task) struct Bad {
    pub(in crate::task) origin: Origin,
    pub(in crate::task) reason: String,
}

/// A message as it was sent.
#[derive(Debug)]
pub(in crate::task) struct Original<'a> {
    pub(in crate::task) key: Option<&'a [u8]>,
    pub(in crate::task) value: Option<&'a [u8]>,
    pub(in crate::task) headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// Messages that are loaded together.
#[derive(Debug, Default)]
pub(in crate::task) struct Piece {
    pub(in crate::task) segments: Vec<Segment>,
    /// Where each row comes from, in the order of the segments' rows.
    pub(in crate::task) origins: Vec<Origin>,
    /// For each partition the offset of its first message that isn't in an earlier piece, and the
    /// one behind its last in this.
    pub(in crate::task) moves: BTreeMap<i32, (i64, i64)>,
    pub(in crate::task) bad: Vec<Bad>,
    pub(in crate::task) messages: u64,
    /// Of keys and values.
    pub(in crate::task) bytes: u64,
    originals: Originals,
}

impl Piece {
    /// A message of the piece, if they are kept.
    pub(in crate::task) fn original(&self, origin: Origin) -> Option<Original<'_>> {
        let kept = self.originals.kept.get(&origin)?;
        let bytes = |range: &Option<Range<usize>>| Some(&self.originals.bytes[range.clone()?]);
        let headers = kept.headers.iter();
        Some(Original {
            key: bytes(&kept.key),
            value: bytes(&kept.value),
            headers: headers
                .map(|(name, value)| (name.as_str(), value.as_deref()))
                .collect(),
        })
    }
}

/// Messages as they were sent, their bytes in one buffer.
#[derive(Debug, Default)]
struct Originals {
    bytes: Vec<u8>,
    kept: HashMap<Origin, Kept>,
}

#[derive(Debug)]
struct Kept {
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Originals {
    fn keep(&mut self, origin: Origin, message: &Message<'_>) {
        let bytes = &mut self.bytes;
        let mut keep = |part: Option<&[u8]>| {
            let start = bytes.len();
            bytes.extend_from_slice(part?);
            Some(start..bytes.len())
        };
        let kept = Kept {
            key: keep(message.key()),
            value: keep(message.value()),
            headers: message
                .headers()
                .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        };
        self.kept.insert(origin, kept);
    }
}

/// Makes pieces of messages.
#[derive(Debug)]
pub(super) struct Gatherer {
    decoder: MessageDecoder,
    keeps_originals: bool,
    piece: Piece,
    /// The next offset of each partition that is read.
    places: HashMap<i32, i64>,
}

impl Gatherer {
    pub(super) fn new(gathering: Gathering) -> Self {
        let Gathering {
            format,
            wanted,
            fields,
            dialect,
            originals,
        } = gathering;
        Self {
            decoder: MessageDecoder::new(format, wanted, &fields, dialect),
            keeps_originals: originals,
            piece: Piece::default(),
            places: HashMap::new(),
        }
    }

    /// Begins to read a partition at an offset.
    pub(super) fn begin(&mut self, partition: i32, offset: i64) {
        self.places.insert(partition, offset);
    }

    /// Ends reading a partition.
    pub(super) fn end(&mut self, partition: i32) {
        self.places.remove(&partition);
    }

    /// The offset of the next message of a partition that is read.
    pub(super) fn place(&self, partition: i32) -> Option<i64> {
        self.places.get(&partition).copied()
    }

    /// The messages of the piece so far.
    pub(super) fn messages(&self) -> u64 {
        self.piece.messages
    }

    /// Adds a message, unless it was read before or belongs to a partition that isn't read.
    pub(super) fn add(&mut self, message: &Message<'_>) {
        let origin = Origin {
            partition: message.partition(),
            offset: message.offset(),
        };
        let Some(place) = self.places.get_mut(&origin.partition) else {
            return;
        };
        if origin.offset < *place {
            return;
        }
        let next = origin.offset + 1;
        let moved = self.piece.moves.entry(origin.partition);
        moved.or_insert((*place, next)).1 = next;
        *place = next;
        self.piece.messages += 1;
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len) as u64;
        self.piece.bytes += length(message.key()) + length(message.value());
        let added = self.decoder.add(message.value(), &|| about(message));
        match added {
            Ok(rows) => {
                let origins = &mut self.piece.origins;
                origins.extend(std::iter::repeat_n(origin, rows));
            }
            Err(reason) => self.piece.bad.push(Bad { origin, reason }),
        }
        if self.keeps_originals {
            self.piece.originals.keep(origin, message);
        }
    }

    /// The piece so far, if it has any message.
    pub(super) fn take(&mut self) -> Option<Piece> {
        if self.piece.messages == 0 {
            return None;
        }
        let mut piece = std::mem::take(&mut self.piece);
        piece.segments = self.decoder.take();
        Some(piece)
    }
}

/// What is known about a message beside its value, as a JSON object.
fn about(message: &Message<'_>) -> String {
    let text = |bytes: &[u8]| Json::from(String::from_utf8_lossy(bytes));
    let headers: Map<String, Json> = message
        .headers()
        .map(|(name, value)| (name.to_owned(), value.map_or(Json::Null, text)))
        .collect();
    let time = message.timestamp().and_then(|milliseconds| {
        let time = chrono::DateTime::from_timestamp_millis(milliseconds)?;
        Some(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    });
    serde_json::json!({
        "key": message.key().map(text),
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": time,
        "headers": headers,
    })
    .to_string()
}

//! The records of a piece as a source.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::data::{Batch, BatchBuilder, Columns, DataError, Place, RecordSource};
use crate::task::messages::{Origin, Piece};

/// The records of a segment of a piece.
pub(super) struct SegmentSource {
    topic: Arc<str>,
    piece: Arc<Piece>,
    columns: Columns,
    batches: VecDeque<Batch>,
    /// The number of the segment's first row in the piece.
    first: usize,
}

impl SegmentSource {
    /// The segments of a piece.
    pub(super) fn of(topic: &Arc<str>, piece: &Arc<Piece>) -> Vec<Self> {
        let mut first = 0;
        piece
            .segments
            .iter()
            .map(|segment| {
                let source = Self {
                    topic: topic.clone(),
                    piece: piece.clone(),
                    columns: segment.columns.clone(),
                    batches: segment.batches.iter().cloned().collect(),
                    first,
                };
                first += segment.rows();
                source
            })
            .collect()
    }
}

impl SegmentSource {
    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(Batch::rows).sum()
    }

    /// Some of its rows.
    pub(super) fn part(&self, rows: Range<usize>) -> Self {
        let mut batches = VecDeque::new();
        let mut start = 0;
        for batch in &self.batches {
            let end = start + batch.rows();
            let from = rows.start.max(start) - start;
            let to = rows.end.min(end).saturating_sub(start);
            if from == 0 && to == batch.rows() {
                batches.push_back(batch.clone());
            } else if from < to {
                let mut builder = BatchBuilder::new(self.columns.clone());
                (from..to).for_each(|row| batch.row(row).for_each(|cell| builder.push(cell)));
                batches.push_back(builder.take());
            }
            start = end;
        }
        Self {
            topic: self.topic.clone(),
            piece: self.piece.clone(),
            columns: self.columns.clone(),
            batches,
            first: self.first + rows.start,
        }
    }
}

/// Where a message stands, in the words of a file: `topic[partition]`, and the offset as its line.
pub(super) fn place(topic: &str, origin: Origin) -> Place {
    Place {
        file: PathBuf::from(format!("{topic}[{}]", origin.partition)),
        line: u64::try_from(origin.offset).unwrap_or_default(),
    }
}

/// The message that a place stands for.
pub(super) fn origin(topic: &str, place: &Place) -> Option<Origin> {
    let file = place.file.to_str()?;
    let partition = file.strip_prefix(topic)?.strip_prefix('[')?;
    Some(Origin {
        partition: partition.strip_suffix(']')?.parse().ok()?,
        offset: i64::try_from(place.line).ok()?,
    })
}

#[async_trait]
impl RecordSource for SegmentSource {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        Ok(self.batches.pop_front())
    }

    fn place(&self, row: u64) -> Option<Place> {
        let row = self.first + usize::try_from(row).ok()?;
        let origin = self.piece.origins.get(row)?;
        Some(place(&self.topic, *origin))
    }
}

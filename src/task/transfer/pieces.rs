//! A stream in pieces of so many records.

use async_trait::async_trait;

use crate::data::{Batch, BatchBuilder, Columns, DataError, Place, RecordSource};

/// Cuts a stream.
pub(super) struct Pieces<'a> {
    source: &'a mut dyn RecordSource,
    /// A batch of the source of which some rows are left, from this one on.
    left: Option<(Batch, usize)>,
    /// Rows of the source that were handed out.
    handed: u64,
}

/// The next records of a stream, and no more than so many. It's empty when the stream has ended.
pub(super) struct Piece<'a, 's> {
    pieces: &'a mut Pieces<'s>,
    columns: Columns,
    room: u64,
    /// The first row of the piece in the whole stream.
    first: u64,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(source: &'a mut dyn RecordSource) -> Self {
        Self {
            source,
            left: None,
            handed: 0,
        }
    }

    /// Whether there are more records.
    pub(super) async fn has_more(&mut self) -> Result<bool, DataError> {
        while self.left.is_none() {
            match self.source.next().await? {
                Some(batch) if batch.rows() > 0 => self.left = Some((batch, 0)),
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The next `size` records.
    pub(super) fn piece(&mut self, size: u64) -> Piece<'_, 'a> {
        Piece {
            columns: self.source.columns().clone(),
            first: self.handed,
            room: size,
            pieces: self,
        }
    }
}

#[async_trait]
impl RecordSource for Piece<'_, '_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        if self.room == 0 || !self.pieces.has_more().await? {
            return Ok(None);
        }
        let Some((batch, from)) = self.pieces.left.take() else {
            return Ok(None);
        };
        let left = batch.rows() - from;
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let count = left.min(room);
        self.room -= count as u64;
        self.pieces.handed += count as u64;
        if from == 0 && count == batch.rows() {
            return Ok(Some(batch));
        }
        let mut builder = BatchBuilder::new(self.columns.clone());
        for row in from..from + count {
            for cell in batch.row(row) {
                builder.push(cell);
            }
        }
        if count < left {
            self.pieces.left = Some((batch, from + count));
        }
        Ok(Some(builder.take()))
    }

    fn place(&self, row: u64) -> Option<Place> {
        self.pieces.source.place(self.first + row)
    }
}

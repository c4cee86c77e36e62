//! Some columns of a source, or none of its records.

use async_trait::async_trait;

use crate::data::{Batch, BatchBuilder, Column, Columns, DataError, Place, RecordSource};

/// The records of a source with some of their columns.
pub(super) struct Kept<'a> {
    source: &'a mut dyn RecordSource,
    columns: Columns,
    at: Vec<usize>,
}

impl<'a> Kept<'a> {
    pub(super) fn new(source: &'a mut dyn RecordSource, keep: impl Fn(&Column) -> bool) -> Self {
        let all = source.columns();
        let at: Vec<usize> = (0..all.len()).filter(|at| keep(&all[*at])).collect();
        Self {
            columns: at.iter().map(|at| all[*at].clone()).collect(),
            source,
            at,
        }
    }
}

#[async_trait]
impl RecordSource for Kept<'_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let Some(batch) = self.source.next().await? else {
            return Ok(None);
        };
        let mut builder = BatchBuilder::new(self.columns.clone());
        for row in 0..batch.rows() {
            for at in &self.at {
                builder.push(batch.cell(row, *at));
            }
        }
        Ok(Some(builder.take()))
    }

    fn place(&self, row: u64) -> Option<Place> {
        self.source.place(row)
    }
}

/// No records.
pub(super) struct Nothing {
    pub(super) columns: Columns,
}

#[async_trait]
impl RecordSource for Nothing {
    fn columns(&self) -> &Columns {
        &self.columns
    }
    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        Ok(None)
    }
}

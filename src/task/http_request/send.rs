//! Records into the bodies of requests.

use std::num::NonZeroU32;

use serde_json::Value as Json;

use super::body::Batching;
use crate::connection::HttpBody;
use crate::data::ndjson::NdjsonEncoder;
use crate::data::{Batch, DataError, RecordSource};

/// Bytes of a body at most, whatever the number of its records.
const LARGEST: usize = 64 * 1024 * 1024;

/// Makes bodies of records.
pub struct Batches<'a> {
    batching: &'a Batching,
    encoder: NdjsonEncoder,
    batch: Option<Batch>,
    /// The next row of the batch.
    row: usize,
    /// Bodies so far.
    number: u64,
}

impl<'a> Batches<'a> {
    /// Bodies of the records of a source.
    pub fn new(batching: &'a Batching, records: &dyn RecordSource) -> Self {
        Self {
            batching,
            encoder: NdjsonEncoder::new(records.columns()),
            batch: None,
            row: 0,
            number: 0,
        }
    }

    /// The next body, its number from 1, and how many records are in it; `None` at the end.
    ///
    /// # Errors
    /// The records can't be read; a body is too long.
    pub async fn next(
        &mut self,
        records: &mut dyn RecordSource,
    ) -> Result<Option<(HttpBody, u64, u64)>, DataError> {
        let most = self.batching.batch.map_or(1, NonZeroU32::get);
        let mut body = Vec::new();
        if let Some(under) = &self.batching.under {
            body = format!("{{{}:", Json::from(under.as_str())).into_bytes();
        }
        if self.batching.batch.is_some() {
            body.push(b'[');
        }
        let mut count = 0;
        while count < most {
            let Some(batch) = self.batch.as_ref().filter(|batch| self.row < batch.rows()) else {
                self.row = 0;
                self.batch = records.next().await?;
                if self.batch.is_none() {
                    break;
                }
                continue;
            };
            if count > 0 {
                body.push(b',');
            }
            self.encoder.encode_row(batch, self.row, &mut body);
            self.row += 1;
            count += 1;
            if body.len() > LARGEST {
                return Err(DataError::Source {
                    message: "a body is longer than 64 MiB: make `batch` smaller".to_owned(),
                    retryable: false,
                });
            }
        }
        if count == 0 {
            return Ok(None);
        }
        if self.batching.batch.is_some() {
            body.push(b']');
        }
        if self.batching.under.is_some() {
            body.push(b'}');
        }
        self.number += 1;
        let content_type = self.batching.content_type.clone();
        let body = HttpBody::Bytes {
            content_type: content_type.unwrap_or_else(|| "application/json".to_owned()),
            bytes: body.into(),
        };
        Ok(Some((body, self.number, count.into())))
    }
}

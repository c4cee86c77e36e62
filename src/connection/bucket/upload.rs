//! Bytes on their way into an object.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Attributes, Error, MultipartUpload, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, Result,
};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::condition::{Condition, END};
use crate::data::{DataError, NewFile};
use crate::failpoint::{self, Point};

/// Bytes of a part. Fewer are one PUT.
const PART: usize = 8 * 1024 * 1024;
/// Parts on their way at a time.
const IN_FLIGHT: usize = 3;
/// Parts that an upload may have.
const MOST_PARTS: u64 = 10_000;

/// An object that is being written: it appears when it is finished.
pub(super) struct ObjectWriter {
    store: Arc<dyn ObjectStore>,
    path: Path,
    runtime: Handle,
    /// How an error becomes a message.
    failed: Box<dyn Fn(Error) -> DataError + Send>,
    buffer: Vec<u8>,
    upload: Option<Upload>,
    parts: u64,
}

struct Upload {
    handle: Box<dyn MultipartUpload>,
    parts: JoinSet<Result<()>>,
}

impl ObjectWriter {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        path: Path,
        runtime: Handle,
        failed: Box<dyn Fn(Error) -> DataError + Send>,
    ) -> Self {
        Self {
            store,
            path,
            runtime,
            failed,
            buffer: Vec::new(),
            upload: None,
            parts: 0,
        }
    }

    /// Sends the buffer as the next part.
    fn send(&mut self) -> Result<()> {
        let part = std::mem::take(&mut self.buffer);
        let Self {
            store,
            path,
            runtime,
            upload,
            ..
        } = self;
        runtime.block_on(async {
            let upload = if let Some(upload) = upload {
                upload
            } else {
                let options = PutMultipartOptions::default();
                upload.insert(Upload {
                    handle: store.put_multipart_opts(path, options).await?,
                    parts: JoinSet::new(),
                })
            };
            while upload.parts.len() >= IN_FLIGHT {
                joined(upload.parts.join_next().await)?;
            }
            let sending = upload.handle.put_part(part.into());
            upload.parts.spawn(sending);
            Ok::<(), Error>(())
        })?;
        self.parts += 1;
        Ok(())
    }

    /// Parts grow with their number, so that there are never too many: 8 MiB for the first
    /// 8 GB, 5 TB in all.
    fn part(&self) -> usize {
        PART << (self.parts / 1000).min(6)
    }
}

fn joined(part: Option<std::result::Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    match part {
        Some(part) => part?,
        None => Ok(()),
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.part() - self.buffer.len();
        let count = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..count]);
        if count == room {
            self.send()
                .map_err(|error| io::Error::other((self.failed)(error)))?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for ObjectWriter {
    fn finish(mut self: Box<Self>) -> std::result::Result<(), DataError> {
        let sent = if self.upload.is_some() {
            let rest = if self.buffer.is_empty() {
                Ok(())
            } else {
                self.send()
            };
            let runtime = self.runtime.clone();
            rest.and_then(|()| {
                runtime.block_on(async {
                    let Some(upload) = &mut self.upload else {
                        return Ok(());
                    };
                    while let Some(part) = upload.parts.join_next().await {
                        joined(Some(part))?;
                    }
                    failpoint::pass(Point::BeforeRename);
                    upload.handle.complete().await.map(drop)
                })
            })
        } else {
            let payload = PutPayload::from(std::mem::take(&mut self.buffer));
            failpoint::pass(Point::BeforeRename);
            let put = self
                .store
                .put_opts(&self.path, payload, PutOptions::default());
            self.runtime.block_on(put).map(drop)
        };
        sent.map_err(|error| (self.failed)(error))?;
        failpoint::pass(Point::AfterRename);
        self.upload = None;
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            // Nobody can be told; the store's own rule for unfinished uploads removes the rest.
            drop(self.runtime.spawn(async move {
                upload.parts.shutdown().await;
                upload.handle.abort().await
            }));
        }
    }
}

/// Puts the bytes of a file in the place of an object, under a condition.
pub(super) async fn put_file(
    store: &dyn ObjectStore,
    path: &Path,
    mut file: &File,
    attributes: Attributes,
    condition: &Condition,
) -> Result<()> {
    let generic = |error: io::Error| Error::Generic {
        store: "spool",
        source: Box::new(error),
    };
    file.rewind().map_err(generic)?;
    let length = file.metadata().map_err(generic)?.len();
    let read = |most: u64| {
        let mut part = Vec::new();
        file.take(most)
            .read_to_end(&mut part)
            .map_err(generic)
            .map(|_| Bytes::from(part))
    };
    if length <= 2 * PART as u64 {
        let mode = match condition {
            Condition::None => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Same(version) => PutMode::Update(version.clone()),
        };
        let options = PutOptions {
            mode,
            attributes,
            ..PutOptions::default()
        };
        let payload = PutPayload::from(read(length)?);
        failpoint::pass(Point::BeforeRename);
        return store.put_opts(path, payload, options).await.map(drop);
    }
    let options = PutMultipartOptions {
        attributes,
        ..PutMultipartOptions::default()
    };
    let mut upload = store.put_multipart_opts(path, options).await?;
    let size = (PART as u64).max(length / MOST_PARTS + 1);
    let sent = async {
        loop {
            let part = read(size)?;
            if part.is_empty() {
                break;
            }
            upload.put_part(part.into()).await?;
        }
        failpoint::pass(Point::BeforeRename);
        END.scope(condition.header(), upload.complete()).await
    };
    let sent = sent.await;
    if sent.is_err() {
        // It has failed already.
        let _ = upload.abort().await;
    }
    sent.map(drop)
}

//! Folders and object stores as stores of files: one contract, checked of both.

mod address;
mod contract;
mod race;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use runner::connection::{Bucket, Connection};
use runner::data::{
    BatchBuilder, Column, Columns, Compression, DataError, FileMode, Format, Layout, Revised,
    Revision, Spool,
};

use crate::support::connections::{connection, places};
use crate::support::s3::S3;

/// A store of files with what it needs. The server, when there is one, ends with it.
pub(crate) struct Scene {
    pub(crate) files: Arc<dyn Bucket>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Option<S3>,
    _connection: Arc<dyn Connection>,
}

impl Scene {
    pub(crate) fn folder() -> Self {
        Self::new("bucket: store/", None)
    }

    pub(crate) fn s3() -> Self {
        let server = S3::start();
        let yaml = server.connection("s3://things/deep/er");
        Self::new(&yaml, Some(server))
    }

    fn new(yaml: &str, server: Option<S3>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection("store", yaml, &places(folder.path()));
        Self {
            files: connection.as_bucket().unwrap(),
            folder,
            server,
            _connection: connection,
        }
    }

    /// A file as it is in the store, looked at from outside.
    pub(crate) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        match &self.server {
            Some(server) => server.get(&format!("things/deep/er/{path}")),
            None => std::fs::read(self.folder.path().join("store").join(path)).ok(),
        }
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path).expect(path)).unwrap()
    }
}

/// Runs what blocks, as the program does it.
pub(crate) fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let done = runtime.block_on(handle.spawn_blocking(work));
    done.unwrap()
}

/// Rows of `n,text` on their way into a file.
pub(crate) fn rows(
    folder: &Path,
    mode: FileMode,
    compression: Compression,
    rows: &[(u64, &str)],
) -> Revision {
    let columns: Columns = [Column::text("n"), Column::text("text")].into();
    let key = match mode {
        FileMode::Upsert => vec!["n".to_owned()],
        _ => Vec::new(),
    };
    let layout = Layout::new(columns.clone(), Format::Csv, compression, mode, &key).unwrap();
    let mut spool = Spool::new(folder, 1 << 20);
    spool.add_target();
    let mut builder = BatchBuilder::new(columns);
    for (n, text) in rows {
        builder.push(Some(n.to_string().as_bytes()));
        builder.push(Some(text.as_bytes()));
    }
    let batch = builder.take();
    for row in 0..batch.rows() {
        spool.add(0, |buffer| layout.encode(&batch, row, buffer));
    }
    Revision {
        layout: Arc::new(layout),
        piece: spool.take().remove(0),
        folder: folder.to_owned(),
    }
}

/// Revises a plain CSV file.
pub(crate) fn revise(
    files: &dyn Bucket,
    folder: &Path,
    path: &str,
    mode: FileMode,
    load: Option<&str>,
    new: &[(u64, &str)],
) -> Result<Option<Revised>, DataError> {
    let revision = rows(folder, mode, Compression::None, new);
    files.revise(path, load, &revision)
}

/// The bytes that the store hands out.
pub(crate) fn read(files: &dyn Bucket, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = files.open(Path::new(path)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

//! The object stores of the clouds, and those that speak like them.

mod client;
mod revise;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;

use self::client::{build, failure, said};
use super::address::CloudAddress;
use super::stream::ObjectReader;
use super::upload::ObjectWriter;
use crate::connection::{Bucket, StoredFile};
use crate::data::{DataError, FileStore, NewFile, Revised, Revision, is_pattern};

/// A bucket of a cloud. Reached at the first use.
#[derive(Debug)]
pub(super) struct CloudBucket {
    address: CloudAddress,
    /// The folder for bytes on their way.
    spool: PathBuf,
    store: OnceLock<Result<Arc<dyn ObjectStore>, String>>,
}

impl CloudBucket {
    pub(super) fn new(address: CloudAddress, spool: PathBuf) -> Self {
        Self {
            address,
            spool,
            store: OnceLock::new(),
        }
    }

    fn store(&self) -> Result<Arc<dyn ObjectStore>, DataError> {
        let store = self
            .store
            .get_or_init(|| build(&self.address).map_err(|error| said(&error)));
        store.clone().map_err(|message| DataError::Source {
            message: format!("{}: {message}", self.shown("")),
            retryable: false,
        })
    }

    /// The object of a path.
    fn object(&self, path: &str) -> Result<Path, DataError> {
        let prefix = &self.address.prefix;
        let whole = if prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{prefix}/{path}")
        };
        let parsed = Path::parse(&whole).ok().filter(|_| !path.is_empty());
        parsed.ok_or_else(|| DataError::Source {
            message: format!(
                "`{}` is no path of a file: expected one such as `raw/a.csv`",
                self.shown(path)
            ),
            retryable: false,
        })
    }

    fn failed(&self, path: &str) -> impl Fn(Error) -> DataError + Send + use<> {
        let shown = self.shown(path);
        let endpoint = self.address.endpoint().map(str::to_owned);
        move |error| failure(&shown, endpoint.as_deref(), &error)
    }

    /// What the path of an object is within the bucket.
    fn path_of(&self, object: &Path) -> String {
        let whole = object.as_ref();
        let prefix = &self.address.prefix;
        let inner = whole.strip_prefix(prefix.as_str()).unwrap_or(whole);
        inner.trim_start_matches('/').to_owned()
    }
}

impl FileStore for CloudBucket {
    fn open(&self, path: &std::path::Path) -> io::Result<Box<dyn Read + Send>> {
        let path = path.to_string_lossy();
        let runtime = runtime().map_err(io::Error::other)?;
        let store = self.store().map_err(io::Error::other)?;
        let object = self.object(&path).map_err(io::Error::other)?;
        let found = runtime.block_on(store.get(&object)).map_err(|error| {
            let kind = match error {
                Error::NotFound { .. } => io::ErrorKind::NotFound,
                _ => io::ErrorKind::Other,
            };
            io::Error::new(kind, said(&error))
        })?;
        Ok(Box::new(ObjectReader::new(found, &runtime)))
    }

    fn create(&self, path: &std::path::Path) -> Result<Box<dyn NewFile>, DataError> {
        let path = path.to_string_lossy();
        Ok(Box::new(ObjectWriter::new(
            self.store()?,
            self.object(&path)?,
            runtime()?,
            Box::new(self.failed(&path)),
        )))
    }
}

impl Bucket for CloudBucket {
    fn shown(&self, path: &str) -> String {
        let CloudAddress {
            cloud,
            bucket,
            prefix,
            ..
        } = &self.address;
        let between = if prefix.is_empty() { "" } else { "/" };
        format!("{}://{bucket}{between}{prefix}/{path}", cloud.scheme())
    }

    fn list(&self, pattern: &str) -> Result<Vec<StoredFile>, DataError> {
        if !is_pattern(pattern) {
            return Ok(self.head(pattern)?.into_iter().collect());
        }
        let matcher = glob::Pattern::new(pattern).map_err(|error| DataError::Source {
            message: format!("`{pattern}` is no pattern of files: {}", error.msg),
            retryable: false,
        })?;
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let plain = &pattern[..pattern.find(['*', '?', '[']).unwrap_or_default()];
        let folder = plain.rsplit_once('/').map_or("", |(folder, _)| folder);
        let parts = [self.address.prefix.as_str(), folder];
        let prefix = parts.map(|part| part.trim_matches('/')).join("/");
        let prefix = Path::parse(prefix.trim_matches('/')).ok();
        let (store, runtime) = (self.store()?, runtime()?);
        let mut files = runtime
            .block_on(async {
                let mut found = store.list(prefix.as_ref());
                let mut files = Vec::new();
                while let Some(object) = found.try_next().await? {
                    let path = self.path_of(&object.location);
                    if matcher.matches_with(&path, options) {
                        files.push(StoredFile {
                            path,
                            bytes: object.size,
                            modified: object.last_modified,
                        });
                    }
                }
                Ok(files)
            })
            .map_err(self.failed(pattern))?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn head(&self, path: &str) -> Result<Option<StoredFile>, DataError> {
        let object = self.object(path)?;
        match runtime()?.block_on(self.store()?.head(&object)) {
            Ok(found) => Ok(Some(StoredFile {
                path: path.to_owned(),
                bytes: found.size,
                modified: found.last_modified,
            })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(path)(error)),
        }
    }

    fn revise(
        &self,
        path: &str,
        load: Option<&str>,
        revision: &Revision,
    ) -> Result<Option<Revised>, DataError> {
        self.revise_in_rounds(path, load, revision)
    }

    fn copy(&self, from: &str, to: &str) -> Result<u64, DataError> {
        let (source, target) = (self.object(from)?, self.object(to)?);
        let store = self.store()?;
        let copied = runtime()?.block_on(async {
            let bytes = store.head(&source).await?.size;
            store.copy(&source, &target).await.map(|()| bytes)
        });
        copied.map_err(self.failed(from))
    }

    fn delete(&self, path: &str) -> Result<bool, DataError> {
        let there = self.head(path)?.is_some();
        let object = self.object(path)?;
        if there {
            match runtime()?.block_on(self.store()?.delete(&object)) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed(path)(error)),
            }
        }
        Ok(there)
    }

    fn width(&self) -> usize {
        4
    }
}

/// The runtime that does the requests while this thread waits.
fn runtime() -> Result<Handle, DataError> {
    Handle::try_current().map_err(|error| DataError::Source {
        message: error.to_string(),
        retryable: false,
    })
}

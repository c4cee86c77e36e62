//! The object stores of the clouds, and those that speak like them.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, RetryConfig,
    UpdateVersion,
};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::address::{Cloud, CloudAddress};
use super::condition::{Condition, Connector};
use super::stream::ObjectReader;
use super::upload::{ObjectWriter, put_file};
use crate::connection::unreachable::advised;
use crate::connection::{Bucket, StoredFile};
use crate::data::{DataError, FileMode, FileStore, NewFile, Revised, Revision, is_pattern};
use crate::failpoint::{self, Point};

/// How long one request is tried again. A task has retries of its own.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a revision begins again because another writer was quicker.
const MOST_ROUNDS: u32 = 100;
/// The loads that an object remembers, in its metadata: as many as fit into 2 KB.
const MEMORY: usize = 100;
/// The name of that metadata: letters only, as Azure wants it.
const LOADS: &str = "runnerloads";

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

    /// Fetches an object into a file without a name.
    fn fetch(&self, path: &str, runtime: &Handle) -> Result<Option<Fetched>, DataError> {
        let store = self.store()?;
        let object = self.object(path)?;
        let found = match runtime.block_on(store.get(&object)) {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(path)(error)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let loads = found
            .attributes
            .get(&Attribute::Metadata(LOADS.into()))
            .map(|loads| loads.split(',').map(str::to_owned).collect())
            .unwrap_or_default();
        let failed = |error| DataError::file(&self.spool, error);
        let mut file = self.aside().map_err(failed)?;
        let mut body = BufReader::with_capacity(256 * 1024, ObjectReader::new(found, runtime));
        io::copy(&mut body, &mut file).map_err(|error| DataError::Source {
            message: format!("{}: {error}", self.shown(path)),
            retryable: true,
        })?;
        Ok(Some(Fetched {
            file,
            version,
            loads,
        }))
    }

    fn aside(&self) -> io::Result<File> {
        std::fs::create_dir_all(&self.spool)?;
        tempfile::tempfile_in(&self.spool)
    }

    /// One round of a revision.
    fn round(
        &self,
        path: &str,
        load: Option<&str>,
        revision: &Revision,
        runtime: &Handle,
    ) -> Result<Round, DataError> {
        let store = self.store()?;
        let object = self.object(path)?;
        let old = if revision.needs_old() {
            self.fetch(path, runtime)?
        } else {
            None
        };
        let mut loads = old.as_ref().map_or_else(Vec::new, |old| old.loads.clone());
        if let Some(load) = load {
            if loads.iter().any(|known| known == load) {
                return Ok(Round::Earlier);
            }
            loads.push(load.to_owned());
            let before = loads.len().saturating_sub(MEMORY);
            loads.drain(..before);
        }
        let failed = |error| DataError::file(&self.spool, error);
        let mut new = BufWriter::with_capacity(256 * 1024, self.aside().map_err(failed)?);
        let shown = PathBuf::from(self.shown(path));
        let revised = revision.apply(old.as_ref().map(|old| &old.file), &shown, &mut new)?;
        new.flush().map_err(failed)?;
        let new = new
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        let condition = match old {
            Some(old) => Condition::Same(old.version),
            None if revision.needs_old() => Condition::Absent,
            None => Condition::None,
        };
        let mut attributes = Attributes::new();
        if !loads.is_empty() {
            attributes.insert(Attribute::Metadata(LOADS.into()), loads.join(",").into());
        }
        let put = put_file(&*store, &object, &new, attributes, &condition);
        match runtime.block_on(put) {
            Ok(()) => {
                failpoint::pass(Point::AfterRename);
                Ok(Round::Done(revised))
            }
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(Round::Overtaken),
            Err(error) => Err(self.failed(path)(error)),
        }
    }
}

/// How a round of a revision ended.
enum Round {
    Done(Revised),
    /// The object has this load already.
    Earlier,
    /// Another writer was quicker.
    Overtaken,
}

/// An object that was fetched to be revised.
struct Fetched {
    file: File,
    version: UpdateVersion,
    loads: Vec<String>,
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
        let runtime = runtime()?;
        let load = load.filter(|_| revision.layout.mode == FileMode::Append);
        let load = load.map(short);
        for round in 0..MOST_ROUNDS {
            match self.round(path, load.as_deref(), revision, &runtime)? {
                Round::Done(revised) => return Ok(Some(revised)),
                Round::Earlier => return Ok(None),
                Round::Overtaken => {}
            }
            // A bucket tells nobody when an object has changed; and the others are done sooner than all
            // of us at once.
            let pause = Duration::from_millis(u64::from(5 + 10 * round.min(20)));
            std::thread::sleep(pause);
        }
        Err(DataError::Source {
            message: format!(
                "{}: another writer was quicker {MOST_ROUNDS} times",
                self.shown(path)
            ),
            retryable: true,
        })
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

fn build(address: &CloudAddress) -> object_store::Result<Arc<dyn ObjectStore>> {
    // Another part of the program may have done it already: the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig {
        max_retries: 5,
        retry_timeout: PATIENCE,
        ..RetryConfig::default()
    };
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(Duration::from_mins(2));
    macro_rules! configured {
        ($builder:expr) => {{
            let mut builder = $builder.with_client_options(client).with_retry(retry);
            for (name, value) in &address.options {
                // The environment has variables that aren't meant for the store.
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value.reveal());
                }
            }
            builder.with_http_connector(Connector)
        }};
    }
    Ok(match address.cloud {
        Cloud::S3 => Arc::new(
            configured!(AmazonS3Builder::new())
                .with_bucket_name(&address.bucket)
                .with_disable_bulk_delete(true)
                .build()?,
        ),
        Cloud::Google => Arc::new(
            configured!(GoogleCloudStorageBuilder::new())
                .with_bucket_name(&address.bucket)
                .build()?,
        ),
        Cloud::Azure => Arc::new(
            configured!(MicrosoftAzureBuilder::new())
                .with_container_name(&address.bucket)
                .build()?,
        ),
    })
}

/// The runtime that does the requests while this thread waits.
fn runtime() -> Result<Handle, DataError> {
    Handle::try_current().map_err(|error| DataError::Source {
        message: error.to_string(),
        retryable: false,
    })
}

/// The name of a load as it fits into metadata.
fn short(load: &str) -> String {
    let hash = Sha256::digest(load.as_bytes());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failure(shown: &str, endpoint: Option<&str>, error: &Error) -> DataError {
    let (message, retryable) = match error {
        Error::NotFound { .. } => (format!("`{shown}` doesn't exist"), true),
        Error::PermissionDenied { .. } => (
            format!(
                "`{shown}`: the store refuses these credentials: {}",
                said(error)
            ),
            false,
        ),
        Error::Unauthenticated { .. } => (
            format!(
                "`{shown}`: the store doesn't know these credentials: {}",
                said(error)
            ),
            false,
        ),
        Error::NotImplemented { .. } | Error::NotSupported { .. } | Error::InvalidPath { .. } => {
            (format!("`{shown}`: {}", said(error)), false)
        }
        error => {
            let at = endpoint.map_or(String::new(), |endpoint| format!(" at {endpoint}"));
            (advised(format!("`{shown}`{at}: {}", said(error))), true)
        }
    };
    DataError::Source { message, retryable }
}

/// The error in the end: what the library wraps around it says nothing more.
fn said(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let line = text.lines().next().unwrap_or_default().trim();
    line.trim_end_matches('.').to_owned()
}

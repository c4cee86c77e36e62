//! An object that is changed: fetched, changed beside, and put back on the condition that nobody has
//! done it meanwhile; begun again when somebody has.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use object_store::{Attribute, Attributes, Error, ObjectStoreExt as _, UpdateVersion};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{CloudBucket, runtime};
use crate::connection::Bucket as _;
use crate::connection::bucket::condition::Condition;
use crate::connection::bucket::stream::ObjectReader;
use crate::connection::bucket::upload::put_file;
use crate::data::{DataError, FileMode, Revised, Revision};
use crate::failpoint::{self, Point};

/// How often a revision begins again because another writer was quicker.
const MOST_ROUNDS: u32 = 100;
/// The loads that an object remembers, in its metadata: as many as fit into 2 KB.
const MEMORY: usize = 100;
/// The name of that metadata: letters only, as Azure wants it.
const LOADS: &str = "runnerloads";

impl CloudBucket {
    /// Changes an object; `None` when it has this load already.
    pub fn revise_in_rounds(
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

/// The name of a load as it fits into metadata.
fn short(load: &str) -> String {
    let hash = Sha256::digest(load.as_bytes());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

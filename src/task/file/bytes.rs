//! The bytes of a file, wherever it is: how they are packed, and how they are moved.

use std::io::{self, Read, Write};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::data::{Compression, DataError};
use crate::task::TaskFailure;

/// Bytes that are moved between two looks at the cancellation.
const CHUNK: usize = 256 * 1024;

/// How files are packed or unpacked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    /// What was asked for; otherwise the extension says it.
    pub(super) format: Option<Compression>,
    pub(super) unpack: bool,
}

impl Coding {
    /// The format of a file: when packing, that of the new name `to`; gzip in doubt.
    pub(super) fn format(self, path: &str, to: Option<&str>) -> Result<Compression, TaskFailure> {
        let named = |path: &str| {
            Some(Compression::of(Path::new(path))).filter(|found| *found != Compression::None)
        };
        if !self.unpack {
            let said = self.format.or_else(|| to.and_then(named));
            return Ok(said.unwrap_or(Compression::Gzip));
        }
        self.format.or_else(|| named(path)).ok_or_else(|| {
            TaskFailure::permanent(format!(
                "the extension of `{path}` doesn't say how it is packed: add `format: gzip` or `format: zstd`"
            ))
        })
    }

    /// The name beside the file, where no other is given.
    pub(super) fn name(self, path: &str, format: Compression) -> String {
        if !self.unpack {
            return format!("{path}{}", format.extension());
        }
        match path.strip_suffix(format.extension()) {
            Some(path) => path.to_owned(),
            None => format!("{path}.unpacked"),
        }
    }

    /// How the file is read and how it is written.
    pub(super) fn ends(self, format: Compression) -> (Compression, Compression) {
        if self.unpack {
            (format, Compression::None)
        } else {
            (Compression::None, format)
        }
    }
}

/// Moves all bytes from one to the other, and counts them. `names` are what the errors name.
pub(super) fn pump(
    source: &mut impl Read,
    sink: &mut impl Write,
    names: (&Path, &Path),
    cancel: &CancellationToken,
) -> Result<u64, TaskFailure> {
    let failed = |name: &Path, error: io::Error| DataError::file(name, error);
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(TaskFailure::retryable("cancelled"));
        }
        let count = source
            .read(&mut buffer)
            .map_err(|error| failed(names.0, error))?;
        if count == 0 {
            return Ok(bytes);
        }
        sink.write_all(&buffer[..count])
            .map_err(|error| failed(names.1, error))?;
        bytes += count as u64;
    }
}

//! A file's new bytes, made of its old ones and of records.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::Layout;
use super::upsert;
use crate::data::csv::{CsvDialect, Records, Trouble};
use crate::data::input::decoded;
use crate::data::{Compression, DataError, Format, Packer, Piece, Place, csv};

crate::choice! {
    /// How records meet a file that is there.
    pub enum FileMode as "mode" {
        /// The file holds only them afterwards.
        Replace = "replace",
        /// They come after those that are there.
        Append = "append",
        /// A record takes the place of the one with its key; those with new keys come at the end.
        Upsert = "upsert",
    }
}

/// Records on their way into one file.
#[derive(Debug)]
pub struct Revision {
    pub layout: Arc<Layout>,
    /// Rows as [`Layout::encode`] writes them.
    pub piece: Piece,
    /// The folder for what has to be put aside.
    pub folder: PathBuf,
}

/// What became of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revised {
    /// Rows that are new in the file.
    pub added: u64,
    /// Rows that took the place of an old one.
    pub replaced: u64,
}

impl Revision {
    /// Whether the old bytes matter.
    #[must_use]
    pub fn needs_old(&self) -> bool {
        self.layout.mode != FileMode::Replace
    }

    /// Writes the new bytes of a file. `shown` is its name for messages.
    ///
    /// # Errors
    /// The old file can't be read, or has other columns; the new one can't be written.
    pub fn apply(
        &self,
        old: Option<&File>,
        shown: &Path,
        new: &mut dyn Write,
    ) -> Result<Revised, DataError> {
        let failed = |error| DataError::file(shown, error);
        let old = match old {
            Some(file) if self.needs_old() => {
                let ending = self.look(file, shown)?;
                ending.map(|ending| (file, ending))
            }
            _ => None,
        };
        let added = Revised {
            added: self.piece.rows,
            replaced: 0,
        };
        match (self.layout.mode, old) {
            (FileMode::Upsert, old) => upsert::apply(self, old.map(|(file, _)| file), shown, new),
            (_, None) => {
                self.write_new(&self.layout.header(), new).map_err(failed)?;
                Ok(added)
            }
            (_, Some((old, ending))) => {
                rewound(old)
                    .and_then(|mut old| io::copy(&mut old, new))
                    .map_err(failed)?;
                let begin: &[u8] = match ending {
                    Ending::Line => b"",
                    Ending::Open => b"\n",
                };
                self.write_new(begin, new).map_err(failed)?;
                Ok(added)
            }
        }
    }

    /// Writes the rows as a packed stream of their own; several in a row are one file.
    fn write_new(&self, begin: &[u8], new: &mut dyn Write) -> io::Result<()> {
        let mut packer = Packer::new(new, self.layout.compression)?;
        packer.write_all(begin)?;
        io::copy(&mut self.piece.reader(), &mut packer)?;
        packer.finish()?.flush()
    }

    /// Looks at the whole of the old file: its columns, whether it can be unpacked, and its end.
    /// `None` when it is empty.
    fn look(&self, old: &File, shown: &Path) -> Result<Option<Ending>, DataError> {
        let failed = |error| DataError::file(shown, error);
        if self.layout.compression == Compression::None {
            // Only its rims matter.
            let length = old.metadata().map_err(failed)?.len();
            if length == 0 {
                return Ok(None);
            }
            self.open_old(old, shown)?;
            let mut last = [0];
            std::os::unix::fs::FileExt::read_exact_at(old, &mut last, length - 1)
                .map_err(failed)?;
            return Ok(Some(Ending::of(last[0])));
        }
        let mut unpacked = self
            .layout
            .compression
            .reader(rewound(old).map_err(failed)?)
            .map_err(failed)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut last = None;
        loop {
            let count = unpacked.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            last = Some(buffer[count - 1]);
        }
        drop(unpacked);
        if last.is_some() {
            self.open_old(old, shown)?;
        }
        Ok(last.map(Ending::of))
    }

    /// The old file as text, for CSV behind its header, which has to have the same columns.
    pub(super) fn open_old<'a>(&self, old: &'a File, shown: &Path) -> Result<Old<'a>, DataError> {
        let failed = |error| DataError::file(shown, error);
        let unpacked = self
            .layout
            .compression
            .reader(rewound(old).map_err(failed)?)
            .map_err(failed)?;
        open_text(&self.layout, decoded(unpacked), shown)
    }
}

/// The old file's text.
pub(super) enum Old<'a> {
    Csv(Records<Box<dyn Read + Send + 'a>>),
    Ndjson(Box<dyn Read + Send + 'a>),
}

/// Reads the header of a text.
pub(super) fn open_text<'a>(
    layout: &Layout,
    text: Box<dyn Read + Send + 'a>,
    shown: &Path,
) -> Result<Old<'a>, DataError> {
    if layout.format == Format::Ndjson {
        return Ok(Old::Ndjson(text));
    }
    let mut records = Records::new(text, &CsvDialect::default());
    match records.next() {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(Old::Csv(records)),
        Err(trouble) => return Err(broken(shown, 1, trouble)),
    }
    let names = records.fields().map(Option::unwrap_or_default);
    let own = layout.columns.iter().map(|column| column.name.as_bytes());
    if !names.eq(own) {
        let names: Vec<String> = records
            .fields()
            .map(|name| format!("`{}`", String::from_utf8_lossy(name.unwrap_or_default())))
            .collect();
        return Err(DataError::record(
            place(shown, 1),
            &format!(
                "the columns of the file are {}, those of the records {}: give them the same with \
                 `columns:`, or write another file",
                names.join(", "),
                csv::list(&layout.columns)
            ),
        ));
    }
    Ok(Old::Csv(records))
}

/// A record of the old file that can't be read.
pub(super) fn broken(shown: &Path, line: u64, trouble: Trouble) -> DataError {
    match trouble {
        Trouble::Read(error) => DataError::file(shown, error),
        Trouble::Record(reason) | Trouble::Lost(reason) => {
            DataError::record(place(shown, line), reason)
        }
    }
}

pub(super) fn place(shown: &Path, line: u64) -> Place {
    Place {
        file: shown.to_owned(),
        line,
    }
}

/// How the last line of a file ends.
#[derive(Clone, Copy)]
enum Ending {
    Line,
    Open,
}

impl Ending {
    fn of(last: u8) -> Self {
        if last == b'\n' {
            Self::Line
        } else {
            Self::Open
        }
    }
}

/// The file, read from its beginning.
fn rewound(mut file: &File) -> io::Result<&File> {
    file.rewind()?;
    Ok(file)
}

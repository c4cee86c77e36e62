//! Records in the place of those with their keys.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::Path;

use super::apply::{Old, Revised, Revision, broken, open_text, place};
use super::layout::{Layout, push_key};
use crate::data::csv::Records;
use crate::data::input::decoded;
use crate::data::ndjson::{Cell, read_object};
use crate::data::{DataError, Packer};

/// Bytes of new rows that are held at a time. More of them are merged in several passes over the
/// file.
const HELD: usize = if cfg!(test) { 256 } else { 8 * 1024 * 1024 };

/// Writes the old rows with the new ones among them.
pub(super) fn apply(
    revision: &Revision,
    old: Option<&File>,
    shown: &Path,
    new: &mut dyn Write,
) -> Result<Revised, DataError> {
    let failed = |error| DataError::file(shown, error);
    let layout = &*revision.layout;
    let mut rows = Frames(BufReader::with_capacity(64 * 1024, revision.piece.reader()));
    let mut chunk = rows.chunk().map_err(failed)?;
    let mut revised = Revised::default();
    let mut before: Option<File> = None;
    loop {
        let text = match (&before, old) {
            (Some(before), _) => Some(open_text(layout, decoded(before), shown)?),
            (None, Some(old)) => Some(revision.open_old(old, shown)?),
            (None, None) => None,
        };
        let next = rows.chunk().map_err(failed)?;
        if next.rows.is_empty() {
            let mut packer = Packer::new(new, layout.compression).map_err(failed)?;
            chunk.merge(layout, text, shown, &mut packer, &mut revised)?;
            packer.finish().and_then(Write::flush).map_err(failed)?;
            return Ok(revised);
        }
        let aside = tempfile::tempfile_in(&revision.folder).map_err(failed)?;
        let mut writer = BufWriter::with_capacity(256 * 1024, aside);
        chunk.merge(layout, text, shown, &mut writer, &mut revised)?;
        let mut aside = writer
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        aside.rewind().map_err(failed)?;
        before = Some(aside);
        chunk = next;
    }
}

/// Rows as [`Layout::encode`] writes them.
struct Frames<R>(R);

impl<R: Read> Frames<R> {
    fn chunk(&mut self) -> io::Result<Chunk> {
        let mut chunk = Chunk::default();
        let mut lengths = [0; 8];
        while chunk.held < HELD {
            match self.0.read(&mut lengths[..1])? {
                0 => break,
                _ => self.0.read_exact(&mut lengths[1..])?,
            }
            let length = |at: usize| {
                let bytes = [
                    lengths[at],
                    lengths[at + 1],
                    lengths[at + 2],
                    lengths[at + 3],
                ];
                u32::from_le_bytes(bytes) as usize
            };
            let (mut key, mut text) = (vec![0; length(0)], vec![0; length(4)]);
            self.0.read_exact(&mut key)?;
            self.0.read_exact(&mut text)?;
            chunk.add(key, text);
        }
        Ok(chunk)
    }
}

/// New rows that are held in memory, by key. Of several with one key the last counts.
#[derive(Default)]
struct Chunk {
    rows: Vec<(Vec<u8>, bool)>,
    by_key: HashMap<Vec<u8>, usize>,
    held: usize,
}

impl Chunk {
    fn add(&mut self, key: Vec<u8>, text: Vec<u8>) {
        self.held += key.len() + text.len() + 96;
        if let Some(at) = self.by_key.get(&key) {
            self.rows[*at].0 = text;
        } else {
            self.by_key.insert(key, self.rows.len());
            self.rows.push((text, false));
        }
    }

    /// Writes the text with the rows of the chunk in their places.
    fn merge(
        &mut self,
        layout: &Layout,
        old: Option<Old<'_>>,
        shown: &Path,
        new: &mut dyn Write,
        revised: &mut Revised,
    ) -> Result<(), DataError> {
        let failed = |error| DataError::file(shown, error);
        new.write_all(&layout.header()).map_err(failed)?;
        match old {
            Some(Old::Csv(records)) => self.merge_csv(layout, records, shown, new)?,
            Some(Old::Ndjson(text)) => self.merge_ndjson(layout, text, shown, new)?,
            None => {}
        }
        for (text, written) in &self.rows {
            if *written {
                revised.replaced += 1;
            } else {
                revised.added += 1;
                new.write_all(text).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Writes a row, or the new one with its key. An old row whose key was there before goes.
    fn write(&mut self, key: &[u8], old: &[u8], new: &mut dyn Write) -> io::Result<()> {
        let Some(at) = self.by_key.get(key) else {
            new.write_all(old)?;
            return new.write_all(b"\n");
        };
        let (text, written) = &mut self.rows[*at];
        if *written {
            return Ok(());
        }
        *written = true;
        new.write_all(text)
    }

    fn merge_csv(
        &mut self,
        layout: &Layout,
        mut records: Records<Box<dyn Read + Send + '_>>,
        shown: &Path,
        new: &mut dyn Write,
    ) -> Result<(), DataError> {
        let mut key = Vec::new();
        loop {
            let before = records.line();
            let line = match records.next() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(trouble) => return Err(broken(shown, before, trouble)),
            };
            if records.width() != layout.columns.len() {
                let reason = format!(
                    "{} fields, expected {}",
                    records.width(),
                    layout.columns.len()
                );
                return Err(DataError::record(place(shown, line), &reason));
            }
            key.clear();
            let cells = layout.key.iter().map(|at| records.field(*at));
            push_key(cells, &mut key);
            self.write(&key, records.bytes(), new)
                .map_err(|error| DataError::file(shown, error))?;
        }
    }

    fn merge_ndjson(
        &mut self,
        layout: &Layout,
        text: Box<dyn Read + Send + '_>,
        shown: &Path,
        new: &mut dyn Write,
    ) -> Result<(), DataError> {
        use std::io::BufRead as _;
        let failed = |error| DataError::file(shown, error);
        let mut lines = BufReader::with_capacity(256 * 1024, text);
        let (mut line, mut key) = (Vec::new(), Vec::new());
        for number in 1.. {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                break;
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let mut cells: Vec<Option<String>> = vec![None; layout.key.len()];
            read_object(text, |name, value| {
                for (cell, at) in cells.iter_mut().zip(&layout.key) {
                    let column = &layout.columns[*at];
                    if *name == *column.name {
                        *cell = Cell::in_column(value, column.kind).map(Into::into);
                    }
                }
                Ok(())
            })
            .map_err(|reason| DataError::record(place(shown, number), &reason))?;
            key.clear();
            let cells = cells.iter().map(|cell| cell.as_deref().map(str::as_bytes));
            push_key(cells, &mut key);
            self.write(&key, text, new).map_err(failed)?;
        }
        Ok(())
    }
}

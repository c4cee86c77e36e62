//! Bytes for many targets at a time, in bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DataError;

/// Bytes that are read back at once.
const CHUNK: usize = 256 * 1024;

/// Collects bytes for any number of targets, in their order for each. What doesn't fit into memory
/// goes to one file without a name, whatever the number of targets: a process that is killed
/// leaves nothing.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    file: Option<Arc<File>>,
    end: u64,
    pieces: Vec<Piece>,
    held: usize,
    limit: usize,
}

/// The bytes of one target.
#[derive(Debug, Default)]
pub struct Piece {
    file: Option<Arc<File>>,
    /// Where they stand in the file: offset and length.
    extents: Vec<(u64, u64)>,
    /// Those behind them, in memory.
    tail: Vec<u8>,
    /// How often [`Spool::add`] was called for it.
    pub rows: u64,
}

impl Spool {
    /// Holds up to `limit` bytes in memory and the others in `folder`, which is made.
    #[must_use]
    pub fn new(folder: &Path, limit: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            file: None,
            end: 0,
            pieces: Vec::new(),
            held: 0,
            limit,
        }
    }

    /// One more target; they are counted from 0.
    pub fn add_target(&mut self) -> usize {
        self.pieces.push(Piece::default());
        self.pieces.len() - 1
    }

    /// How many targets there are.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.pieces.len()
    }

    /// Adds a row of a target: `write` appends it to a buffer.
    #[inline]
    pub fn add(&mut self, target: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let piece = &mut self.pieces[target];
        let before = piece.tail.len();
        write(&mut piece.tail);
        piece.rows += 1;
        self.held += piece.tail.len() - before;
    }

    /// Brings the memory back below its limit; called every some rows.
    ///
    /// # Errors
    /// The folder can't be written, or is full.
    pub fn relieve(&mut self) -> Result<(), DataError> {
        if self.held <= self.limit {
            return Ok(());
        }
        let relieved = self.write_out();
        relieved.map_err(|error| DataError::file(&self.folder, error))
    }

    /// Writes the longest tails to the file, until half of the memory is free.
    fn write_out(&mut self) -> io::Result<()> {
        let file = if let Some(file) = &self.file {
            Arc::clone(file)
        } else {
            std::fs::create_dir_all(&self.folder)?;
            let file = Arc::new(tempfile::tempfile_in(&self.folder)?);
            Arc::clone(self.file.insert(file))
        };
        let share = self.limit / self.pieces.len().max(1);
        let mut longest: Vec<usize> = (0..self.pieces.len()).collect();
        longest.sort_by_key(|at| std::cmp::Reverse(self.pieces[*at].tail.len()));
        for at in longest {
            if self.held <= self.limit / 2 {
                break;
            }
            let piece = &mut self.pieces[at];
            let length = piece.tail.len() as u64;
            file.write_all_at(&piece.tail, self.end)?;
            piece.extents.push((self.end, length));
            self.end += length;
            self.held -= piece.tail.len();
            if piece.tail.capacity() > 2 * share {
                piece.tail = Vec::new();
            } else {
                piece.tail.clear();
            }
        }
        Ok(())
    }

    /// Bytes in memory and in the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end + self.held as u64
    }

    /// Hands out the bytes of all targets, which are no targets any more.
    pub fn take(&mut self) -> Vec<Piece> {
        let file = self.file.take();
        self.end = 0;
        self.held = 0;
        let mut pieces = std::mem::take(&mut self.pieces);
        for piece in &mut pieces {
            piece.file.clone_from(&file);
        }
        pieces
    }
}

impl Piece {
    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let written: u64 = self.extents.iter().map(|(_, length)| length).sum();
        written + self.tail.len() as u64
    }

    /// The bytes, from the first; as often as it is wanted.
    #[must_use]
    pub fn reader(&self) -> PieceReader<'_> {
        PieceReader {
            piece: self,
            extent: 0,
            done: 0,
        }
    }
}

/// Reads a piece.
pub struct PieceReader<'a> {
    piece: &'a Piece,
    extent: usize,
    /// Bytes of the extent, or of the tail behind the last one, that were read.
    done: u64,
}

impl Read for PieceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let (Some(&(start, length)), Some(file)) =
            (self.piece.extents.get(self.extent), &self.piece.file)
        {
            if self.done == length {
                self.extent += 1;
                self.done = 0;
                continue;
            }
            let left = usize::try_from(length - self.done).unwrap_or(usize::MAX);
            let most = buffer.len().min(left).min(CHUNK);
            let count = file.read_at(&mut buffer[..most], start + self.done)?;
            if count == 0 && most > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.done += count as u64;
            return Ok(count);
        }
        let from = usize::try_from(self.done).unwrap_or(usize::MAX);
        let rest = &self.piece.tail[from..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.done += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_keeps_its_bytes_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for limit in [1 << 20, 1000, 10] {
            let mut spool = Spool::new(&folder.path().join("spool"), limit);
            let targets = 7;
            let mut expected = vec![Vec::new(); targets];
            for _ in 0..targets {
                spool.add_target();
            }
            for row in 0..2000_usize {
                let text = format!("row {row} ");
                let target = row * row % targets;
                expected[target].extend_from_slice(text.as_bytes());
                spool.add(target, |buffer| buffer.extend_from_slice(text.as_bytes()));
                spool.relieve().unwrap();
                assert!(spool.held <= limit, "{} of {limit}", spool.held);
            }
            let pieces = spool.take();
            for (piece, expected) in pieces.iter().zip(&expected) {
                let mut bytes = Vec::new();
                piece.reader().read_to_end(&mut bytes).unwrap();
                assert_eq!(&bytes, expected, "{limit}");
                assert_eq!(piece.bytes(), expected.len() as u64);
            }
            assert_eq!(
                std::fs::read_dir(folder.path()).unwrap().count(),
                usize::from(limit < 1 << 20)
            );
        }
    }
}

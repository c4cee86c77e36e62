//! Compressed files: reading and writing, by extension or as told.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use super::{DataError, FileStore, LocalFiles, NewFile};

crate::choice! {
    /// How the bytes of a file are packed.
    pub enum Compression as "compression" {
        /// Not at all.
        None = "none",
        /// As `.gz` files are; several members in a row are one file.
        Gzip = "gzip",
        /// As `.zst` files are.
        Zstd = "zstd",
    }
}

/// Bytes that are read or written at once.
const BUFFER: usize = 256 * 1024;

impl Compression {
    /// What the extension of a file says: `.gz`, `.zst`, anything else.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The extension of a packed file, with its dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The unpacked bytes of a packed stream.
    ///
    /// # Errors
    /// No memory for the decoder.
    pub fn reader<'a>(
        self,
        packed: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => Box::new(packed),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(
                BufReader::with_capacity(BUFFER, packed),
            )),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(packed)?),
        })
    }
}

/// Packs what is written into it.
pub struct Packer<W: Write> {
    encoder: Encoder<W>,
}

enum Encoder<W: Write> {
    None(BufWriter<W>),
    Gzip(flate2::write::GzEncoder<BufWriter<W>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<W>>),
}

impl<W: Write> Packer<W> {
    /// Begins with nothing.
    ///
    /// # Errors
    /// No memory for the encoder.
    pub fn new(packed: W, compression: Compression) -> io::Result<Self> {
        let packed = BufWriter::with_capacity(BUFFER, packed);
        let encoder = match compression {
            Compression::None => Encoder::None(packed),
            // The header without a time: equal input gives equal bytes.
            Compression::Gzip => Encoder::Gzip(flate2::write::GzEncoder::new(
                packed,
                flate2::Compression::new(6),
            )),
            Compression::Zstd => Encoder::Zstd(zstd::stream::write::Encoder::new(packed, 3)?),
        };
        Ok(Self { encoder })
    }

    /// Writes the end, and gives back what takes the packed bytes.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(self) -> io::Result<W> {
        let packed = match self.encoder {
            Encoder::None(packed) => packed,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        packed.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.encoder {
            Encoder::None(packed) => packed.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::None(packed) => packed.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// A file that is packed while it is written and appears when it is finished.
pub struct PackedFile {
    packer: Packer<Counted>,
    target: std::path::PathBuf,
}

struct Counted {
    file: Box<dyn NewFile>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PackedFile {
    /// Begins a file of this computer.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn create(target: &Path, compression: Compression) -> Result<Self, DataError> {
        Self::create_in(&LocalFiles, target, compression)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// The place can't be written.
    pub fn create_in(
        store: &dyn FileStore,
        target: &Path,
        compression: Compression,
    ) -> Result<Self, DataError> {
        let counted = Counted {
            file: store.create(target)?,
            bytes: 0,
        };
        let packer =
            Packer::new(counted, compression).map_err(|error| DataError::file(target, error))?;
        Ok(Self {
            packer,
            target: target.to_owned(),
        })
    }

    /// Makes the file durable, gives it its name and says how many bytes it has.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn finish(self) -> Result<u64, DataError> {
        let Counted { file, bytes } = self
            .packer
            .finish()
            .map_err(|error| DataError::file(&self.target, error))?;
        file.finish()?;
        Ok(bytes)
    }
}

impl Write for PackedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.packer.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.packer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        for (name, compression) in [
            ("a.csv", Compression::None),
            ("a.csv.gz", Compression::Gzip),
            ("a.csv.zst", Compression::Zstd),
        ] {
            let path = folder.path().join(name);
            assert_eq!(Compression::of(&path), compression);
            let mut file = PackedFile::create(&path, compression).unwrap();
            file.write_all(&bytes).unwrap();
            file.finish().unwrap();
            let packed = std::fs::File::open(&path).unwrap();
            let mut back = Vec::new();
            let mut reader = compression.reader(packed).unwrap();
            reader.read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{name}");
        }
    }
}

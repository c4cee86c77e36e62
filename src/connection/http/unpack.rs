//! Packed bodies: gzip, zstd and brotli (RFC 9110, section 8.4), unpacked as they arrive.

use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufRead, AsyncRead, BufReader};

/// What requests say they can read.
pub(super) const ACCEPTED: &str = "gzip, zstd, br";

/// More than this nobody does in good faith.
const MOST_LAYERS: usize = 2;

/// The window that RFC 9659 allows for zstd on the web: 8 MiB. More would cost memory.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Brotli,
}

/// How a body is packed, the outermost layer first.
///
/// # Errors
/// It is packed in a way that wasn't asked for.
pub(super) fn packings(content_encoding: &str) -> Result<Vec<Packing>, String> {
    let mut layers = Vec::new();
    for name in content_encoding.split(',').rev() {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" => layers.push(Packing::Gzip),
            "zstd" => layers.push(Packing::Zstd),
            "br" => layers.push(Packing::Brotli),
            other => {
                return Err(format!(
                    "the body is packed as `{other}`, which can't be read"
                ));
            }
        }
    }
    if layers.len() > MOST_LAYERS {
        return Err(format!("the body is packed {} times", layers.len()));
    }
    Ok(layers)
}

/// A body without its layers.
pub(super) fn unpack(
    packed: impl AsyncBufRead + Send + Unpin + 'static,
    layers: &[Packing],
) -> Pin<Box<dyn AsyncRead + Send>> {
    let mut reader: Pin<Box<dyn AsyncRead + Send>> = Box::pin(packed);
    for layer in layers {
        let input = BufReader::new(reader);
        reader = match layer {
            Packing::Gzip => {
                let mut decoder = GzipDecoder::new(input);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Packing::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
                let mut decoder = ZstdDecoder::with_params(input, &window);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Packing::Brotli => Box::pin(BrotliDecoder::new(input)),
        };
    }
    reader
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packings_are_read_from_the_outside() {
        use Packing::{Brotli, Gzip, Zstd};
        for (header, expected) in [
            ("", Some(vec![])),
            ("identity", Some(vec![])),
            ("GZIP", Some(vec![Gzip])),
            ("gzip, br", Some(vec![Brotli, Gzip])),
            ("zstd", Some(vec![Zstd])),
            ("gzip,gzip,gzip", None),
            ("deflate", None),
        ] {
            assert_eq!(packings(header).ok(), expected, "{header}");
        }
    }
}

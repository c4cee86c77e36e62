//! Where commands print, and how wide that is.

use std::io::{ErrorKind, IsTerminal as _, Result, Write};

use unicode_width::UnicodeWidthStr as _;

/// A writer for what must go on when nobody reads it any more: after `| head -1` it takes
/// everything and says nothing.
pub struct Lenient<W: Write> {
    /// `None`: the reader is gone.
    inner: Option<W>,
}

impl<W: Write> Lenient<W> {
    /// Wraps a writer whose reader may go away.
    pub fn new(inner: W) -> Self {
        Self { inner: Some(inner) }
    }

    fn tolerate<T>(&mut self, result: Result<T>, instead: T) -> Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.inner = None;
                Ok(instead)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Lenient<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match &mut self.inner {
            Some(inner) => {
                let written = inner.write(bytes);
                self.tolerate(written, bytes.len())
            }
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.inner {
            Some(inner) => {
                let flushed = inner.flush();
                self.tolerate(flushed, ())
            }
            None => Ok(()),
        }
    }
}

/// The columns of the terminal; `None` when the output goes elsewhere, where lines may be long.
pub fn columns() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size()?;
    Some(usize::from(width.0).max(40))
}

/// A text in lines that fit the terminal, each after `indent` spaces.
pub fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let Some(width) = columns() else {
        return vec![format!("{}{text}", " ".repeat(indent))];
    };
    wrapped_at(text, indent, width)
}

fn wrapped_at(text: &str, indent: usize, width: usize) -> Vec<String> {
    let start = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{start}{word}")),
        }
    }
    lines
}

/// Standard output in large pieces, without what a file can't show.
pub fn stdout() -> std::io::BufWriter<anstream::AutoStream<std::io::StdoutLock<'static>>> {
    std::io::BufWriter::with_capacity(64 * 1024, anstream::stdout().lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn long_texts_are_wrapped() {
        assert_eq!(
            wrapped_at("one two three four", 2, 10),
            ["  one two", "  three", "  four"]
        );
    }

    #[test]
    fn a_reader_may_go_away() {
        let mut out = Lenient::new(Closed);
        out.write_all(b"first").unwrap();
        assert!(out.inner.is_none());
        out.write_all(b"second").unwrap();
        out.flush().unwrap();
    }
}

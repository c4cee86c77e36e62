//! A part of an attempt's log, however large the whole is.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Bytes of a window.
const WINDOW: u64 = 192 * 1024;
/// Lines of a window that are looked for.
const FOUND: usize = 1000;
/// Bytes that are looked through for one window.
const LOOKED_THROUGH: u64 = 256 * 1024 * 1024;
/// Of a longer line only so many bytes are shown.
const LONGEST: usize = 16 * 1024;

/// Where a window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// So that it ends with the log.
    End,
    /// At a byte: the first line that begins there or later.
    Byte(u64),
    /// So that it ends before a byte.
    Before(u64),
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Letters that a line has, in whatever case; empty: any.
    pub text: String,
    /// Only warnings and errors.
    pub troubles: bool,
}

impl Wanted {
    fn is_any(&self) -> bool {
        self.text.is_empty() && !self.troubles
    }

    fn has(&self, line: &[u8]) -> bool {
        let level = line.get(25..30).unwrap_or_default();
        let trouble = matches!(level, b"warn " | b"error" | b"err  ");
        (!self.troubles || trouble)
            && (self.text.is_empty() || contains(line, self.text.as_bytes()))
    }
}

/// Whether a text, which isn't empty, stands in a line. Only where its first letter does is looked
/// at closely: a log may be large.
fn contains(line: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else {
        return true;
    };
    let (small, large) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(small, large, line).any(|at| {
        let part = line.get(at + 1..at + 1 + rest.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(rest))
    })
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The byte it begins at.
    pub at: u64,
    /// As it was written: RFC 3339, UTC.
    pub time: String,
    /// `out`, `err`, `info`, `warn` or `error`.
    pub level: String,
    pub text: String,
}

impl Line {
    fn read(at: u64, line: &[u8]) -> Self {
        let long = line.len() > LONGEST;
        let line = String::from_utf8_lossy(&line[..line.len().min(LONGEST)]);
        let mut parts = line.splitn(2, ' ');
        let (time, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let (level, text) = match rest.split_at_checked(5) {
            Some((level, text)) => (level.trim(), text.strip_prefix(' ').unwrap_or(text)),
            None => (rest.trim(), ""),
        };
        let more = if long { " …" } else { "" };
        Self {
            at,
            time: time.to_owned(),
            level: level.to_owned(),
            text: format!("{text}{more}"),
        }
    }
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    pub lines: Vec<Line>,
    /// The byte its first line begins at, and the one after what was looked through.
    pub from: u64,
    pub until: u64,
    /// Bytes of the whole.
    pub size: u64,
}

/// Reads a window. A log that isn't there (yet) is empty, and a line that isn't whole yet isn't
/// there.
///
/// # Errors
/// When the file can't be read.
pub fn read(path: &Path, from: From, wanted: &Wanted) -> std::io::Result<Window> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Window::default()),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let (start, most) = match from {
        _ if !wanted.is_any() => match from {
            From::Byte(byte) => (byte, LOOKED_THROUGH),
            From::End | From::Before(_) => (0, LOOKED_THROUGH),
        },
        From::End => (size.saturating_sub(WINDOW), WINDOW),
        From::Byte(byte) => (byte, WINDOW),
        From::Before(byte) => {
            let start = byte.saturating_sub(WINDOW);
            (start, byte - start)
        }
    };
    let start = start.min(size);
    // A line begins after a line's end: look at the byte before.
    let before = start.saturating_sub(1);
    file.seek(SeekFrom::Start(before))?;
    let end = (start + most).min(size);
    let mut reader = BufReader::with_capacity(1 << 16, file.take(end - before));
    let mut at = before;
    let mut line = Vec::new();
    if start > 0 {
        at += reader.read_until(b'\n', &mut line)? as u64;
    }
    let mut window = Window {
        from: at,
        until: at,
        size,
        ..Window::default()
    };
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') {
            // A line longer than the window is shown by its beginning.
            if read >= WINDOW && window.lines.is_empty() && end < size {
                window.lines.push(Line::read(at, &line));
                window.until = end;
            }
            break;
        }
        line.pop();
        if wanted.is_any() || wanted.has(&line) {
            window.lines.push(Line::read(at, &line));
        }
        at += read;
        window.until = at;
        if !wanted.is_any() && window.lines.len() == FOUND {
            break;
        }
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        let text: String = (0..lines)
            .map(|line| {
                let level = if line % 100 == 7 { "warn " } else { "out  " };
                format!("2026-08-21T00:00:00.000Z {level} line {line}\n")
            })
            .collect();
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn windows_cover_the_whole_without_gaps() {
        let (_folder, path) = log(20_000);
        let (any, mut byte, mut lines) = (Wanted::default(), 0, Vec::new());
        loop {
            let window = read(&path, From::Byte(byte), &any).unwrap();
            lines.extend(window.lines.iter().map(|line| line.text.clone()));
            byte = window.until;
            if byte == window.size {
                break;
            }
        }
        let expected: Vec<String> = (0..20_000).map(|line| format!("line {line}")).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn windows_go_backwards_too() {
        let (_folder, path) = log(20_000);
        let any = Wanted::default();
        let mut window = read(&path, From::End, &any).unwrap();
        let mut counted = window.lines.len();
        assert_eq!(window.until, window.size);
        while window.from > 0 {
            let before = read(&path, From::Before(window.from), &any).unwrap();
            assert_eq!(before.until, window.from);
            counted += before.lines.len();
            window = before;
        }
        assert_eq!(counted, 20_000);
    }

    #[test]
    fn lines_are_found() {
        let (_folder, path) = log(20_000);
        let troubles = Wanted {
            troubles: true,
            ..Wanted::default()
        };
        assert_eq!(
            read(&path, From::Byte(0), &troubles).unwrap().lines.len(),
            200
        );
        let text = Wanted {
            text: "LINE 1234".to_owned(),
            ..Wanted::default()
        };
        let found = read(&path, From::End, &text).unwrap();
        assert_eq!(found.lines.len(), 11);
        assert_eq!(found.lines[0].level, "out");
    }

    #[test]
    fn half_a_line_isn_t_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        let missing = read(&path, From::End, &Wanted::default()).unwrap();
        assert_eq!(missing, Window::default());
        std::fs::write(&path, "2026-08-21T00:00:00.000Z info  one\n2026-08").unwrap();
        let window = read(&path, From::End, &Wanted::default()).unwrap();
        assert_eq!((window.lines.len(), window.until), (1, 35));
        assert_eq!(window.lines[0].text, "one");
    }
}

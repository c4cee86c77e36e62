//! Which row came from which line, in little memory.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use super::Place;

/// Marks that are kept at most. One is needed where a row isn't on the line after the row before
/// it: at each file's start and after a record of several lines. Only rows long gone lose theirs.
const MOST_MARKS: usize = 1 << 18;

/// From `row` on, rows stand on consecutive lines, beginning with `line` of `file`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The first row, counted from 0 over the whole stream.
    pub row: u64,
    /// Index in the list of files.
    pub file: u32,
    pub line: u64,
}

/// The lines of a stream's rows.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    marks: VecDeque<Mark>,
}

impl Lines {
    /// Says where a row stands; rows come in order.
    pub fn add(&mut self, mark: Mark) {
        if self.find(mark.row) == Some((mark.file, mark.line)) {
            return;
        }
        if self.marks.len() == MOST_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// The file and the line of a row; `None` when it is too long ago.
    #[must_use]
    pub fn find(&self, row: u64) -> Option<(u32, u64)> {
        let after = self.marks.partition_point(|mark| mark.row <= row);
        let mark = self.marks.get(after.checked_sub(1)?)?;
        Some((mark.file, mark.line + (row - mark.row)))
    }

    /// The marks, taken out.
    pub fn take(&mut self) -> Vec<Mark> {
        self.marks.drain(..).collect()
    }
}

/// The names of a stream's files and the lines of its rows.
#[derive(Debug, Clone)]
pub struct Places {
    /// As people see them.
    pub files: Arc<[PathBuf]>,
    pub lines: Lines,
}

impl Places {
    /// Where a row stands.
    #[must_use]
    pub fn find(&self, row: u64) -> Option<Place> {
        let (file, line) = self.lines.find(row)?;
        Some(Place {
            file: self.files.get(file as usize)?.clone(),
            line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_on_consecutive_lines_need_one_mark() {
        let mut lines = Lines::default();
        let stand = |row: u64| match row {
            0..=9 => (0, row + 2),
            10..=19 => (0, row + 5),
            _ => (1, row - 18),
        };
        for row in 0..100 {
            let (file, line) = stand(row);
            lines.add(Mark { row, file, line });
        }
        assert_eq!(lines.marks.len(), 3);
        for row in 0..100 {
            assert_eq!(lines.find(row), Some(stand(row)), "{row}");
        }
    }
}

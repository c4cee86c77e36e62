//! Where something stands in a project's files.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of the project, by its place in [`Sources`]. Ids sort in the order in which the files were
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A range of bytes in a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub source: SourceId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// A span from byte offsets; offsets past 4 GiB saturate.
    #[must_use]
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            source,
            start: offset(range.start),
            end: offset(range.end),
        }
    }

    /// The bytes it covers.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The part of this span from `start` to `end` bytes after its own start.
    #[must_use]
    pub fn slice(self, range: Range<usize>) -> Self {
        let own = self.range();
        let clamp = |at: usize| (own.start + at).min(own.end.max(own.start));
        Self::new(self.source, clamp(range.start)..clamp(range.end))
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned::new(f(self.value), self.span)
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// One file that was read: its path as people see it (relative to the project) and its text.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    pub text: Arc<str>,
}

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// All files that a project was read from, in the order they were read.
///
/// Several threads may read at the same time, each into a [branch](Self::branch) of its own. Ids say
/// of which branch they are, so that those of one hold in the whole.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The files by branch; the first is the trunk. A branch has a copy of the trunk, which is small.
    branches: Vec<Vec<Source>>,
    /// The branch that files are added to.
    own: usize,
    /// Files that another branch has read before: their ids, and those by which they are known.
    again: HashMap<SourceId, SourceId>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            branches: vec![Vec::new()],
            own: 0,
            again: HashMap::new(),
        }
    }
}

/// The bits of an id below the number of its branch.
const PLACE_BITS: u32 = 24;

impl Sources {
    /// Most branches.
    pub const MOST_BRANCHES: usize = 64;

    /// For another reader at the same time, the n-th from 1. What it reads comes after what the
    /// trunk has and before what a later one reads.
    #[must_use]
    pub fn branch(&self, number: usize) -> Self {
        let mut branches = vec![Vec::new(); number + 1];
        branches[0].clone_from(&self.branches[0]);
        Self {
            branches,
            own: number,
            again: HashMap::new(),
        }
    }

    /// Takes in what a branch has read. Branches are joined in the order of their numbers.
    pub fn join(&mut self, mut branch: Self) {
        if self.branches.len() <= branch.own {
            self.branches.resize_with(branch.own + 1, Vec::new);
        }
        self.branches[branch.own] = std::mem::take(&mut branch.branches[branch.own]);
    }

    /// Finds out which files several branches have read.
    pub fn match_branches(&mut self) {
        let mut first: HashMap<&Path, SourceId> = HashMap::new();
        let mut again = HashMap::new();
        for (id, source) in self.iter() {
            match first.get(&*source.path) {
                Some(known) => {
                    again.insert(id, *known);
                }
                None => {
                    first.insert(&source.path, id);
                }
            }
        }
        self.again = again;
    }

    /// The id by which a file is known that several branches have read.
    #[must_use]
    pub fn known_as(&self, id: SourceId) -> SourceId {
        self.again.get(&id).copied().unwrap_or(id)
    }

    /// Adds a file.
    pub fn add(&mut self, path: &Path, text: impl Into<Arc<str>>) -> SourceId {
        let files = &mut self.branches[self.own];
        let id = source_id(self.own, files.len());
        files.push(Source {
            path: path.to_owned(),
            text: text.into(),
        });
        id
    }

    /// The file behind an id.
    ///
    /// # Panics
    /// When the id is of another `Sources`.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Source {
        let place = id.0 & ((1 << PLACE_BITS) - 1);
        &self.branches[(id.0 >> PLACE_BITS) as usize][place as usize]
    }

    /// Every file, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        let branches = self.branches.iter().enumerate();
        branches.flat_map(|(branch, files)| {
            let ids = (0..).map(move |place| source_id(branch, place));
            ids.zip(files)
        })
    }

    /// The text that a span covers; empty when the span lies outside.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.range()).unwrap_or("")
    }

    /// Line and column of a byte offset.
    #[must_use]
    pub fn position(&self, source: SourceId, offset: usize) -> Position {
        let text = &self.get(source).text;
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

fn source_id(branch: usize, place: usize) -> SourceId {
    let most = (1 << PLACE_BITS) - 1;
    let place = u32::try_from(place).unwrap_or(most).min(most);
    SourceId(u32::try_from(branch).unwrap_or(0) << PLACE_BITS | place)
}

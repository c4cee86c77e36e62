//! From a document to its records.

use super::outline::Outline;
use super::path::{RecordsPath, Step};
use super::scan::{Chunks, Scanner};
use super::trouble::Trouble;
use crate::document::nearest;

/// Names that a message lists.
const MOST_NAMES: usize = 20;

/// Reads the records of a document: the items of each array that the path matches, and each other
/// value that it matches; `null` is no record.
pub(in crate::data) struct Walk<'a, C> {
    scanner: Scanner<C>,
    path: &'a RecordsPath,
    /// What is open on the way to the records, from the document inwards.
    frames: Vec<Frame>,
    begun: bool,
    /// The steps that were ever taken.
    reached: usize,
    /// Why the step behind them was never taken.
    missing: Option<String>,
    /// Whether arrays of records are left out of the outline.
    cut: bool,
}

enum Frame {
    /// An object whose members the step chooses.
    Object {
        step: usize,
        first: bool,
        found: bool,
        names: Vec<String>,
    },
    /// An array whose items the step chooses.
    Array { step: usize, next: u64, found: bool },
    /// An array of records.
    Records { first: bool },
}

impl<'a, C: Chunks> Walk<'a, C> {
    /// Begins a document.
    ///
    /// # Errors
    /// Its bytes can't be had.
    pub(in crate::data) fn begin(
        chunks: C,
        path: &'a RecordsPath,
        outline: Outline,
        cut: bool,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            scanner: Scanner::begin(chunks, outline)?,
            path,
            frames: Vec::new(),
            begun: false,
            reached: 0,
            missing: None,
            cut,
        })
    }

    /// The text of the next record; `None` when the document has ended, as it should.
    pub(in crate::data) fn next(&mut self) -> Result<Option<&[u8]>, Trouble> {
        if !self.advance()? {
            return Ok(None);
        }
        let depth = self.frames.len();
        self.scanner.take(depth).map(Some)
    }

    /// What stands beside the records, and why there are none when the path leads nowhere.
    pub(in crate::data) fn finish(self) -> (Outline, Option<String>) {
        let missing = self
            .missing
            .filter(|_| self.reached < self.path.steps().len());
        (self.scanner.into_outline(), missing)
    }

    /// Goes to the next record; false at the end.
    fn advance(&mut self) -> Result<bool, Trouble> {
        if !self.begun {
            self.begun = true;
            if self.enter(0)? {
                return Ok(true);
            }
        }
        while let Some(frame) = self.frames.last_mut() {
            let scanner = &mut self.scanner;
            let step = match frame {
                Frame::Records { first } => {
                    if next_item(scanner, std::mem::take(first))? {
                        return Ok(true);
                    }
                    self.frames.pop();
                    if self.cut && !self.in_records() {
                        self.scanner.resume_outline();
                    }
                    continue;
                }
                Frame::Array { step, next, found } => {
                    let index = *next;
                    *next += 1;
                    if !next_item(scanner, index == 0)? {
                        self.leave();
                        continue;
                    }
                    let wanted = match &self.path.steps()[*step] {
                        Step::Index(wanted) => *wanted == index,
                        Step::Every => true,
                        Step::Name(_) => false,
                    };
                    *found |= wanted;
                    wanted.then_some(*step)
                }
                Frame::Object {
                    step,
                    first,
                    found,
                    names,
                } => {
                    if !next_member(scanner, std::mem::take(first))? {
                        self.leave();
                        continue;
                    }
                    let key = scanner.take_key()?;
                    let wanted = match &self.path.steps()[*step] {
                        Step::Name(name) => **name == *key,
                        Step::Every => true,
                        Step::Index(_) => false,
                    };
                    if !wanted && names.len() < MOST_NAMES {
                        names.push(key.into_owned());
                    } else if wanted
                        && *found
                        && let Step::Name(name) = &self.path.steps()[*step]
                    {
                        return Err(scanner.malformed(&format!(
                            "key `{name}` is there twice: which one is meant?"
                        )));
                    }
                    *found |= wanted;
                    wanted.then_some(*step)
                }
            };
            if let Some(step) = step {
                if self.enter(step + 1)? {
                    return Ok(true);
                }
            } else {
                let depth = self.frames.len();
                self.scanner.skip(depth)?;
            }
        }
        match self.scanner.token()? {
            None => Ok(false),
            Some(_) => Err(self.scanner.expected("the end of the document")),
        }
    }

    fn in_records(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Records { .. }))
    }

    /// Goes into the value at hand, to which so many steps have led; true when it is a record.
    fn enter(&mut self, taken: usize) -> Result<bool, Trouble> {
        self.reached = self.reached.max(taken);
        let first = self.scanner.token()?;
        let Some(step) = self.path.steps().get(taken) else {
            match first {
                Some(b'[') => {
                    if self.cut {
                        self.scanner.pause_outline(b"[]");
                    }
                    self.scanner.advance();
                    self.frames.push(Frame::Records { first: true });
                }
                Some(b'n') => {
                    let depth = self.frames.len();
                    self.scanner.skip(depth)?;
                }
                _ => return Ok(true),
            }
            return Ok(false);
        };
        match (first, step) {
            (Some(b'{'), Step::Name(_) | Step::Every) => {
                self.scanner.advance();
                self.frames.push(Frame::Object {
                    step: taken,
                    first: true,
                    found: false,
                    names: Vec::new(),
                });
            }
            (Some(b'['), Step::Index(_) | Step::Every) => {
                self.scanner.advance();
                self.frames.push(Frame::Array {
                    step: taken,
                    next: 0,
                    found: false,
                });
            }
            _ => {
                let is = match first {
                    Some(b'{') => "an object",
                    Some(b'[') => "an array",
                    Some(b'"') => "a text",
                    Some(b'n') => "null",
                    Some(b't' | b'f') => "a boolean",
                    _ => "a number",
                };
                let needed = match step {
                    Step::Name(_) => "an object",
                    Step::Index(_) => "an array",
                    Step::Every => "an object or an array",
                };
                let depth = self.frames.len();
                self.scanner.skip(depth)?;
                if taken == self.reached {
                    let here = self.shown(taken);
                    self.missing = Some(format!("{here} is {is}, `records` needs {needed} there"));
                }
            }
        }
        Ok(false)
    }

    /// Ends the innermost array or object.
    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let (step, found) = match &frame {
            Frame::Object { step, found, .. } | Frame::Array { step, found, .. } => (*step, *found),
            Frame::Records { .. } => return,
        };
        if found || step < self.reached {
            return;
        }
        let here = self.shown(step);
        self.missing = match (&frame, &self.path.steps()[step]) {
            (Frame::Object { names, .. }, Step::Name(name)) => {
                let hint = match nearest(name, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if names.is_empty() => "it is empty".to_owned(),
                    None => {
                        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                        format!("it has {}", names.join(", "))
                    }
                };
                Some(format!("{here} has no `{name}`: {hint}"))
            }
            (Frame::Array { next, .. }, Step::Index(index)) => Some(format!(
                "{here} has no item `[{index}]`: it has {}",
                next - 1
            )),
            // Nothing in it: no record, and no mistake.
            _ => None,
        };
    }

    /// The value that so many steps lead to.
    fn shown(&self, steps: usize) -> String {
        if steps == 0 {
            return "the document".to_owned();
        }
        let mut text = String::new();
        for step in &self.path.steps()[..steps] {
            match step {
                Step::Name(name) if text.is_empty() => text += name,
                Step::Name(name) => text += &format!(".{name}"),
                Step::Index(index) => text += &format!("[{index}]"),
                Step::Every => text += "[*]",
            }
        }
        format!("`{text}`")
    }
}

/// Goes to the next item of an array; false behind its end.
fn next_item<C: Chunks>(scanner: &mut Scanner<C>, first: bool) -> Result<bool, Trouble> {
    match scanner.token()? {
        Some(b']') => {
            scanner.advance();
            return Ok(false);
        }
        Some(b',') if !first => scanner.advance(),
        Some(_) if first => return Ok(true),
        _ if first => return Err(scanner.expected("a value or `]`")),
        _ => return Err(scanner.expected("`,` or `]`")),
    }
    match scanner.token()? {
        Some(b']') | None => Err(scanner.expected("a value")),
        Some(_) => Ok(true),
    }
}

/// Goes to the next key of an object; false behind its end.
fn next_member<C: Chunks>(scanner: &mut Scanner<C>, first: bool) -> Result<bool, Trouble> {
    match scanner.token()? {
        Some(b'}') => {
            scanner.advance();
            Ok(false)
        }
        Some(b',') if !first => {
            scanner.advance();
            Ok(true)
        }
        Some(_) if first => Ok(true),
        _ if first => Err(scanner.expected("a key or `}`")),
        _ => Err(scanner.expected("`,` or `}`")),
    }
}

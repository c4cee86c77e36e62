//! Scripts and their statements.

use std::ops::Range;
use std::sync::Arc;

use super::holes::{Hole, HoleKind, find_holes};
use super::lexer::{Atom, AtomKind, Dialect, Walk};
use super::nature::Nature;
use super::{Rewritten, quoted_identifier};

/// A script cut into its statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub text: Arc<str>,
    pub dialect: Dialect,
    pub statements: Vec<ScriptStatement>,
    /// Why it isn't a script; such a script must not be executed.
    pub mistakes: Vec<Mistake>,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptStatement {
    /// Its bytes, without the comments and spaces around it and without `;`.
    pub range: Range<usize>,
    /// The lines that follow a `COPY … FROM STDIN;`, without the closing `\.`.
    pub data: Option<Range<usize>>,
    pub nature: Nature,
    /// What is put in before it is sent, in the order of the text.
    pub holes: Vec<Hole>,
}

/// Something in a script that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// A stable name, such as `sql-unclosed`.
    pub code: &'static str,
    pub message: String,
    pub range: Range<usize>,
    pub help: Option<String>,
}

/// A statement with `$1`, `$2`, … in the place of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positional {
    /// Traces back to offsets of the script.
    pub sql: Rewritten,
    /// For each number, from `$1` on, the hole whose value it is. The same name or expression has
    /// one number, so that `GROUP BY` recognises it.
    pub bound: Vec<usize>,
}

impl Script {
    /// Cuts a script.
    #[must_use]
    pub fn parse(text: &Arc<str>, dialect: Dialect) -> Self {
        let mut cutter = Cutter {
            text,
            dialect,
            statements: Vec::new(),
            mistakes: Vec::new(),
        };
        cutter.cut();
        Self {
            dialect,
            statements: cutter.statements,
            mistakes: cutter.mistakes,
            text: Arc::clone(text),
        }
    }

    /// The text of a statement.
    #[must_use]
    pub fn statement_text(&self, statement: &ScriptStatement) -> &str {
        &self.text[statement.range.clone()]
    }

    /// A statement as a server takes it. `identifier` gives the value of a `:"name"`.
    ///
    /// # Errors
    /// Those of `identifier`.
    pub fn positional<E>(
        &self,
        statement: &ScriptStatement,
        mut identifier: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<Positional, E> {
        let mut sql = Rewritten::default();
        let mut bound: Vec<usize> = Vec::new();
        let mut kept = statement.range.start;
        for (index, hole) in statement.holes.iter().enumerate() {
            sql.keep(&self.text, kept..hole.range.start);
            kept = hole.range.end;
            if let HoleKind::Identifier(name) = &hole.kind {
                sql.replace(hole.range.clone(), &quoted_identifier(&identifier(name)?));
                continue;
            }
            let known = bound
                .iter()
                .position(|other| statement.holes[*other].kind == hole.kind);
            let number = known.unwrap_or_else(|| {
                bound.push(index);
                bound.len() - 1
            });
            sql.replace(hole.range.clone(), &format!("${}", number + 1));
        }
        sql.keep(&self.text, kept..statement.range.end);
        Ok(Positional { sql, bound })
    }
}

struct Cutter<'a> {
    text: &'a str,
    dialect: Dialect,
    statements: Vec<ScriptStatement>,
    mistakes: Vec<Mistake>,
}

/// How deep in brackets and in `BEGIN … END` bodies the walk is.
#[derive(Default)]
struct Depth {
    parentheses: usize,
    bodies: usize,
}

impl Cutter<'_> {
    fn cut(&mut self) {
        let mut walk = Walk::new(self.text, self.dialect);
        let mut atoms: Vec<Atom> = Vec::new();
        let mut depth = Depth::default();
        while let Some(atom) = walk.next() {
            if !atom.closed {
                self.unclosed(&atom);
            }
            if atom.is_blank() {
                continue;
            }
            let ends =
                atom.is_symbol(self.text, ';') && depth.parentheses == 0 && depth.bodies == 0;
            if ends {
                let data = self.end_statement(&mut atoms, Some(atom.range.end));
                depth = Depth::default();
                if let Some(end) = data {
                    walk.go_to(end);
                }
                continue;
            }
            if atoms.is_empty() && atom.is_symbol(self.text, '\\') {
                self.meta_command(&atom);
                let rest = &self.text[atom.range.start..];
                let line = rest.find('\n').unwrap_or(rest.len());
                walk.go_to(atom.range.start + line);
                continue;
            }
            self.step(&mut depth, &atoms, &atom);
            atoms.push(atom);
        }
        self.end_statement(&mut atoms, None);
    }

    fn step(&self, depth: &mut Depth, before: &[Atom], atom: &Atom) {
        if atom.is_symbol(self.text, '(') {
            depth.parentheses += 1;
        } else if atom.is_symbol(self.text, ')') {
            depth.parentheses = depth.parentheses.saturating_sub(1);
        } else if atom.kind == AtomKind::Word && depth.parentheses == 0 {
            // As psql does it: only there BEGIN opens a body with statements of its own.
            let opens = (atom.is_word(self.text, "begin") && self.may_have_body(before))
                || (depth.bodies > 0 && atom.is_word(self.text, "case"));
            if opens {
                depth.bodies += 1;
            } else if atom.is_word(self.text, "end") {
                depth.bodies = depth.bodies.saturating_sub(1);
            }
        }
    }

    /// Whether these are the first words of a function, a procedure, or SQLite's trigger.
    fn may_have_body(&self, before: &[Atom]) -> bool {
        let mut words = before
            .iter()
            .filter(|atom| atom.kind == AtomKind::Word)
            .map(|atom| atom.text(self.text).to_ascii_lowercase());
        if words.next().as_deref() != Some("create") {
            return false;
        }
        let what = words
            .find(|word| !matches!(word.as_str(), "or" | "replace" | "temp" | "temporary"))
            .unwrap_or_default();
        match self.dialect {
            Dialect::Postgres => matches!(what.as_str(), "function" | "procedure"),
            Dialect::Sqlite => what == "trigger",
        }
    }

    /// Ends the statement of these atoms; gives the end of its inline data if it has any.
    fn end_statement(&mut self, atoms: &mut Vec<Atom>, after: Option<usize>) -> Option<usize> {
        let atoms = std::mem::take(atoms);
        let (first, last) = (atoms.first()?, atoms.last()?);
        let range = first.range.start..last.range.end;
        let nature = Nature::of(self.text, &atoms, self.dialect);
        let holes = find_holes(self.text, &atoms, &mut self.mistakes);
        let (data, end) = if nature.reads_input {
            self.inline_data(after, &range)
        } else {
            (None, None)
        };
        self.statements.push(ScriptStatement {
            range,
            data,
            nature,
            holes,
        });
        end
    }

    /// The lines from the next one on, up to `\.`, and where SQL goes on.
    fn inline_data(
        &mut self,
        after: Option<usize>,
        statement: &Range<usize>,
    ) -> (Option<Range<usize>>, Option<usize>) {
        let start = after.and_then(|after| Some(after + self.text[after..].find('\n')? + 1));
        let Some(start) = start else {
            self.mistakes.push(Mistake {
                code: "sql-no-data",
                message: "`COPY … FROM STDIN` has no data".to_owned(),
                range: statement.clone(),
                help: Some(
                    "put the lines after `;`, and `\\.` on a line of its own at their end"
                        .to_owned(),
                ),
            });
            return (None, None);
        };
        let mut at = start;
        for line in self.text[start..].split_inclusive('\n') {
            if line.trim_end() == "\\." {
                return (Some(start..at), Some(at + line.len()));
            }
            at += line.len();
        }
        self.mistakes.push(Mistake {
            code: "sql-unclosed",
            message: "the data of this `COPY … FROM STDIN` have no end".to_owned(),
            range: statement.clone(),
            help: Some("put `\\.` on a line of its own at their end".to_owned()),
        });
        (Some(start..at), Some(at))
    }

    fn unclosed(&mut self, atom: &Atom) {
        let what = match atom.kind {
            AtomKind::Comment => "comment",
            AtomKind::Quoted => "quoted identifier",
            _ if atom.text(self.text).starts_with('$') => "dollar quote",
            _ => "string",
        };
        let length = atom
            .text(self.text)
            .chars()
            .next()
            .map_or(1, char::len_utf8);
        self.mistakes.push(Mistake {
            code: "sql-unclosed",
            message: format!("this {what} isn't closed"),
            range: atom.range.start..atom.range.start + length,
            help: None,
        });
    }

    fn meta_command(&mut self, atom: &Atom) {
        let line = self.text[atom.range.start..]
            .lines()
            .next()
            .unwrap_or_default();
        let command = line.split_whitespace().next().unwrap_or_default();
        self.mistakes.push(Mistake {
            code: "sql-psql-command",
            message: format!("`{command}` is a command of psql, not SQL"),
            range: atom.range.start..atom.range.start + command.len().max(1),
            help: Some(match command {
                "\\copy" => {
                    "use a `copy` task, or `COPY … FROM STDIN` with the data behind it".to_owned()
                }
                "\\i" | "\\ir" => "make it a task of its own".to_owned(),
                _ => "leave it out".to_owned(),
            }),
        });
    }
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;

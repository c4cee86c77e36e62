//! Cuts SQL into atoms, coarse but true about what is quoted and what is not.

use std::ops::Range;

use crate::template;

/// The SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

/// What an atom is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtomKind {
    /// Spaces and line ends.
    Space,
    Comment,
    /// A keyword or a plain identifier.
    Word,
    /// An identifier in quotes.
    Quoted,
    /// A string of any notation, prefix and quotes included.
    Text,
    Number,
    /// `$1`.
    Position,
    /// `{{ … }}`, braces included.
    Expression,
    /// `::`.
    Cast,
    /// Any other single character.
    Symbol,
}

/// A piece of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atom {
    pub kind: AtomKind,
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Whether the quote, comment or dollar quote that it begins is closed.
    pub closed: bool,
}

impl Atom {
    /// Whether it has no meaning for the server.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        matches!(self.kind, AtomKind::Space | AtomKind::Comment)
    }

    /// Its text.
    #[must_use]
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.range.clone()]
    }

    /// Whether it is this keyword, in any case.
    #[must_use]
    pub fn is_word(&self, sql: &str, word: &str) -> bool {
        self.kind == AtomKind::Word && self.text(sql).eq_ignore_ascii_case(word)
    }

    /// Whether it is this character.
    #[must_use]
    pub fn is_symbol(&self, sql: &str, symbol: char) -> bool {
        self.kind == AtomKind::Symbol && self.text(sql).starts_with(symbol)
    }
}

/// The atoms of a text, without a gap.
pub fn atoms(sql: &str, dialect: Dialect) -> impl Iterator<Item = Atom> {
    Walk::new(sql, dialect)
}

/// As [`atoms`], but it can be told to go on at another place.
pub(super) struct Walk<'a> {
    lexer: Lexer<'a>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(sql: &'a str, dialect: Dialect) -> Self {
        Self {
            lexer: Lexer {
                sql,
                dialect,
                at: 0,
            },
        }
    }

    /// Skips text that is no SQL.
    pub(super) fn go_to(&mut self, at: usize) {
        self.lexer.at = at;
    }
}

impl Iterator for Walk<'_> {
    type Item = Atom;
    fn next(&mut self) -> Option<Atom> {
        self.lexer.next()
    }
}

struct Lexer<'a> {
    sql: &'a str,
    dialect: Dialect,
    at: usize,
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

pub(super) fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Atom> {
        let start = self.at;
        let bytes = self.sql.as_bytes();
        let first = *bytes.get(start)?;
        let second = bytes.get(start + 1).copied();
        let (kind, end) = match (first, second) {
            (byte, _) if byte.is_ascii_whitespace() => (
                AtomKind::Space,
                Some(self.while_from(start, |byte| byte.is_ascii_whitespace())),
            ),
            (b'-', Some(b'-')) => (
                AtomKind::Comment,
                Some(self.while_from(start, |byte| byte != b'\n')),
            ),
            (b'/', Some(b'*')) => (AtomKind::Comment, self.block_comment(start + 2)),
            (b'\'', _) => (AtomKind::Text, self.quoted(start + 1, b'\'', false)),
            (b'e' | b'E', Some(b'\'')) if self.dialect == Dialect::Postgres => {
                (AtomKind::Text, self.quoted(start + 2, b'\'', true))
            }
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', Some(b'\'')) => {
                (AtomKind::Text, self.quoted(start + 2, b'\'', false))
            }
            (b'u' | b'U', Some(b'&'))
                if self.dialect == Dialect::Postgres
                    && matches!(bytes.get(start + 2), Some(b'\'' | b'"')) =>
            {
                let quote = bytes[start + 2];
                let kind = if quote == b'"' {
                    AtomKind::Quoted
                } else {
                    AtomKind::Text
                };
                (kind, self.quoted(start + 3, quote, false))
            }
            (b'"', _) => (AtomKind::Quoted, self.quoted(start + 1, b'"', false)),
            (b'`', _) if self.dialect == Dialect::Sqlite => {
                (AtomKind::Quoted, self.quoted(start + 1, b'`', false))
            }
            (b'[', _) if self.dialect == Dialect::Sqlite => {
                (AtomKind::Quoted, self.quoted(start + 1, b']', false))
            }
            (b'$', Some(digit)) if digit.is_ascii_digit() => (
                AtomKind::Position,
                Some(self.while_from(start + 1, |byte| byte.is_ascii_digit())),
            ),
            (b'$', _) if self.dialect == Dialect::Postgres => match self.dollar_quote(start) {
                Some(end) => (AtomKind::Text, end),
                None => (AtomKind::Symbol, Some(start + 1)),
            },
            (b'{', Some(b'{')) => match template::expression_end(self.sql, start) {
                Some(end) => (AtomKind::Expression, Some(end)),
                None => (AtomKind::Symbol, Some(start + 1)),
            },
            (b':', Some(b':')) => (AtomKind::Cast, Some(start + 2)),
            (byte, _) if begins_word(byte) => {
                (AtomKind::Word, Some(self.while_from(start, continues_word)))
            }
            (byte, _) if byte.is_ascii_digit() => (AtomKind::Number, Some(self.number(start))),
            _ => (AtomKind::Symbol, Some(start + 1)),
        };
        self.at = end.unwrap_or(self.sql.len());
        Some(Atom {
            kind,
            range: start..self.at,
            closed: end.is_some(),
        })
    }

    fn while_from(&self, from: usize, holds: impl Fn(u8) -> bool) -> usize {
        let rest = &self.sql.as_bytes()[from..];
        from + rest
            .iter()
            .position(|byte| !holds(*byte))
            .unwrap_or(rest.len())
    }

    /// The end of a number. `1..2` of PL/pgSQL isn't one; `1e-5` is.
    fn number(&self, start: usize) -> usize {
        let bytes = self.sql.as_bytes();
        let mut end = self.while_from(start, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
            end = self.while_from(end + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        }
        let exponent =
            matches!(bytes[end - 1], b'e' | b'E') && !self.sql[start..].starts_with("0x");
        if exponent && matches!(bytes.get(end), Some(b'+' | b'-')) {
            end = self.while_from(end + 1, |byte| byte.is_ascii_digit());
        }
        end
    }

    /// The end after the closing quote; a doubled quote is part of the text.
    fn quoted(&self, from: usize, quote: u8, backslash: bool) -> Option<usize> {
        let bytes = self.sql.as_bytes();
        let mut at = from;
        while at < bytes.len() {
            if backslash && bytes[at] == b'\\' {
                at += 2;
            } else if bytes[at] != quote {
                at += 1;
            } else if bytes.get(at + 1) == Some(&quote) && quote != b']' {
                at += 2;
            } else {
                return Some(at + 1);
            }
        }
        None
    }

    /// PostgreSQL's comments nest; those of SQLite don't.
    fn block_comment(&self, from: usize) -> Option<usize> {
        let bytes = self.sql.as_bytes();
        let mut depth = 1;
        let mut at = from;
        while at + 1 < bytes.len() {
            match &bytes[at..at + 2] {
                b"*/" => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                b"/*" if self.dialect == Dialect::Postgres => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        None
    }

    /// The end of `$tag$ … $tag$`: outer `None` when no dollar quote begins here.
    #[expect(
        clippy::option_option,
        reason = "no quote, an open quote, a closed quote"
    )]
    fn dollar_quote(&self, start: usize) -> Option<Option<usize>> {
        let tag_end = self.while_from(start + 1, |byte| byte != b'$' && continues_word(byte));
        if self.sql.as_bytes().get(tag_end) != Some(&b'$') {
            return None;
        }
        let tag = &self.sql[start..=tag_end];
        let body = tag_end + 1;
        Some(self.sql[body..].find(tag).map(|at| body + at + tag.len()))
    }
}

//! What JSON is (RFC 8259): values are checked while they are passed over.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Chunks, Scanner, Whole};
use crate::data::json::outline::Outline;
use crate::data::json::trouble::Trouble;

/// Arrays and objects within one another. What other readers of JSON take, too.
const DEEPEST: usize = 127;

impl<C: Chunks> Scanner<C> {
    /// Passes over a value, `depth` brackets deep in the document.
    pub(in crate::data::json) fn skip(&mut self, depth: usize) -> Result<(), Trouble> {
        self.open.clear();
        loop {
            match self.token()? {
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if depth + self.open.len() >= DEEPEST {
                        return Err(
                            self.malformed(&format!("it is nested deeper than {DEEPEST} levels"))
                        );
                    }
                    self.at += 1;
                    let object = bracket == b'{';
                    let close = if object { b'}' } else { b']' };
                    if self.token()? == Some(close) {
                        self.at += 1;
                    } else {
                        self.open.push(object);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.expected("a value")),
            }
            // A value has ended: what holds it goes on, or ends as well.
            loop {
                let Some(&object) = self.open.last() else {
                    return Ok(());
                };
                match (self.token()?, object) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        self.open.pop();
                    }
                    (_, true) => return Err(self.expected("`,` or `}`")),
                    (_, false) => return Err(self.expected("`,` or `]`")),
                }
            }
        }
    }

    /// Passes over a value and gives its text, which is there until the next call.
    pub(in crate::data::json) fn take(&mut self, depth: usize) -> Result<&[u8], Trouble> {
        self.token()?;
        self.keep = Some(self.at);
        let skipped = self.skip(depth);
        let start = self.keep.take().unwrap_or(self.at);
        skipped?;
        Ok(&self.buffer[start..self.at])
    }

    /// Passes over a key and its colon, and gives the key.
    pub(in crate::data::json) fn take_key(&mut self) -> Result<Cow<'_, str>, Trouble> {
        if self.token()? != Some(b'"') {
            return Err(self.expected("a key in quotes"));
        }
        self.keep = Some(self.at);
        let read = self.string().and_then(|()| {
            let end = self.at - self.keep.unwrap_or(0);
            self.colon().map(|()| end)
        });
        let start = self.keep.take().unwrap_or(self.at);
        let raw = &self.buffer[start..start + read?];
        Ok(unquoted(raw))
    }

    fn key(&mut self) -> Result<(), Trouble> {
        if self.token()? != Some(b'"') {
            return Err(self.expected("a key in quotes"));
        }
        self.string()?;
        self.colon()
    }

    fn colon(&mut self) -> Result<(), Trouble> {
        if self.token()? != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Trouble> {
        self.at += 1;
        loop {
            let rest = &self.buffer[self.at..self.end];
            let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
            let Some(plain) = rest.iter().position(special) else {
                self.at = self.end;
                if self.more()? {
                    continue;
                }
                return Err(self.expected("a quote that ends the text"));
            };
            self.at += plain;
            match self.buffer[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                _ => return Err(self.malformed("a control character in a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Trouble> {
        self.at += 1;
        match self.byte()? {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte()?.is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.expected("four hexadecimal digits behind `\\u`"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.expected("a known escape behind `\\`")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Trouble> {
        if self.byte()? == Some(b'-') {
            self.at += 1;
        }
        match self.byte()? {
            Some(b'0') => {
                self.at += 1;
                if self.byte()?.is_some_and(|byte| byte.is_ascii_digit()) {
                    return Err(self.malformed("a number begins with a needless 0"));
                }
            }
            _ => self.digits()?,
        }
        if self.byte()? == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte()? {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte()? {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Trouble> {
        let mut any = false;
        while let Some(b'0'..=b'9') = self.byte()? {
            self.at += 1;
            any = true;
        }
        if any {
            Ok(())
        } else {
            Err(self.expected("a digit"))
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Trouble> {
        for expected in word {
            if self.byte()? != Some(*expected) {
                let word = String::from_utf8_lossy(word);
                return Err(self.expected(&format!("`{word}`")));
            }
            self.at += 1;
        }
        Ok(())
    }
}

/// The characters of a text in quotes. A lone surrogate (`"\ud800"`) is JSON, but no text: its
/// notation is kept.
pub(in crate::data) fn unquoted(raw: &[u8]) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    if memchr::memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    match serde_json::from_slice::<String>(raw) {
        Ok(text) => Cow::Owned(text),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// The JSON value that a text is, without the spaces around it; `None` for `null`.
///
/// # Errors
/// It is no JSON value; the message says where.
pub(in crate::data) fn checked(text: &[u8]) -> Result<Option<&[u8]>, String> {
    let check = || {
        let whole = Whole(Some(Bytes::copy_from_slice(text)));
        let mut scanner = Scanner::begin(whole, Outline::default())?;
        let first = scanner.token()?;
        let start = scanner.offset();
        scanner.skip(0)?;
        let end = scanner.offset();
        match scanner.token()? {
            None => Ok((first != Some(b'n')).then_some(start..end)),
            Some(_) => Err(scanner.expected("the end of the value")),
        }
    };
    match check() {
        Ok(place) => Ok(place.map(|place| &text[place])),
        Err(Trouble::Malformed(message) | Trouble::Cut(message)) => Err(message),
        Err(Trouble::Input(error)) => Err(error.to_string()),
    }
}

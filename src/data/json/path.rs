//! Where the records stand in a document: a subset of `JSONPath` (RFC 9535) without its `$.`.

use std::fmt;

/// A path to the records of a document, such as `payload.items`, `result.*` or `data[0]["a b"]`.
///
/// Names are separated by dots; `*` stands for every member of an object or item of an array; `[n]`
/// is the item at an index from 0; a name with other characters stands in brackets and quotes, where
/// `\` takes the next character as it is. Of RFC 9535 there are neither `..` nor slices, filters and
/// negative indexes: they would need the whole document. The empty path is the document itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordsPath {
    text: String,
    steps: Vec<Step>,
}

/// A step of a [`RecordsPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of an object with this name.
    Name(String),
    /// The item of an array, from 0.
    Index(u64),
    /// Every member of an object or item of an array.
    Every,
}

impl RecordsPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, as a whole message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let steps = Reader { text, rest: text }.steps()?;
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// Its steps; none is the document itself.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it may match more than one value.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.steps.contains(&Step::Every)
    }

    /// The first value it leads to.
    #[must_use]
    pub fn find<'a>(&self, document: &'a serde_json::Value) -> Option<&'a serde_json::Value> {
        fn find<'a>(value: &'a serde_json::Value, steps: &[Step]) -> Option<&'a serde_json::Value> {
            let Some((step, rest)) = steps.split_first() else {
                return Some(value);
            };
            match step {
                Step::Name(name) => find(value.get(name)?, rest),
                Step::Index(index) => find(value.get(usize::try_from(*index).ok()?)?, rest),
                Step::Every => match value {
                    serde_json::Value::Array(items) => {
                        items.iter().find_map(|item| find(item, rest))
                    }
                    serde_json::Value::Object(members) => {
                        members.values().find_map(|member| find(member, rest))
                    }
                    _ => None,
                },
            }
        }
        find(document, &self.steps)
    }
}

impl fmt::Display for RecordsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn steps(mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        if self.text.starts_with('$') {
            return Err(self.wrong("leave out the `$`: a path begins at the document"));
        }
        if self.text.is_empty() {
            return Err(self.wrong("it is empty: leave it out for the document itself"));
        }
        while !self.rest.is_empty() {
            if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                steps.push(self.bracket()?);
                continue;
            }
            if !steps.is_empty() {
                match self.rest.strip_prefix('.') {
                    Some(rest) => self.rest = rest,
                    None => return Err(self.wrong("expected `.` or `[`")),
                }
            }
            steps.push(self.name()?);
        }
        Ok(steps)
    }

    /// What stands behind a dot.
    fn name(&mut self) -> Result<Step, String> {
        if self.rest.starts_with('.') {
            return Err(self.wrong("`..` isn't known: name each step, or use `*`"));
        }
        let end = self.rest.find(['.', '[', ']']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        match name {
            "" => Err(self.wrong("a name is missing")),
            "*" => Ok(Step::Every),
            _ if name.contains(|c: char| c.is_whitespace() || "*?@'\"\\,:()$".contains(c)) => Err(
                self.wrong(&format!("write `[\"{name}\"]` for a name with other characters than letters, digits, `_` and `-`")),
            ),
            _ => Ok(Step::Name(name.to_owned())),
        }
    }

    /// What stands in brackets.
    fn bracket(&mut self) -> Result<Step, String> {
        let step = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let mut name = String::new();
                let mut characters = self.rest[1..].chars();
                loop {
                    match characters.next() {
                        Some(c) if c == quote => break,
                        Some('\\') => name.extend(characters.next()),
                        Some(c) => name.push(c),
                        None => return Err(self.wrong("a quote isn't closed")),
                    }
                }
                self.rest = characters.as_str();
                Step::Name(name)
            }
            Some('*') => {
                self.rest = &self.rest[1..];
                Step::Every
            }
            Some('0'..='9') => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit());
                let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                match digits.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => return Err(self.wrong("the index is too large")),
                }
            }
            Some('-') => return Err(self.wrong("an index counts from the start, from 0")),
            Some('?') => {
                return Err(self.wrong("filters aren't known: `where:` of a `copy` is one"));
            }
            _ => {
                return Err(
                    self.wrong("expected an index, a name in quotes or `*` in the brackets")
                );
            }
        };
        match self.rest.strip_prefix(']') {
            Some(rest) => self.rest = rest,
            None if self.rest.starts_with([':', ',']) => {
                return Err(self.wrong("slices and lists aren't known: one index, or `*`"));
            }
            None => return Err(self.wrong("expected `]`")),
        }
        Ok(step)
    }

    fn wrong(&self, what: &str) -> String {
        format!("`{}` is no path: {what}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let name = |name: &str| Step::Name(name.to_owned());
        for (text, expected) in [
            ("tickers", vec![name("tickers")]),
            (
                "payload.my-items_2",
                vec![name("payload"), name("my-items_2")],
            ),
            ("result.*", vec![name("result"), Step::Every]),
            ("*", vec![Step::Every]),
            ("[0].é", vec![Step::Index(0), name("é")]),
            ("a[12][*]", vec![name("a"), Step::Index(12), Step::Every]),
            (
                r#"a["b.c"]['d \' e'].f"#,
                vec![name("a"), name("b.c"), name("d ' e"), name("f")],
            ),
        ] {
            let steps = RecordsPath::parse(text).map(|path| path.steps);
            assert_eq!(steps.unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        for (text, reason) in [
            ("", "empty"),
            ("$.a", "leave out"),
            ("a..b", "`..`"),
            ("a.", "a name is missing"),
            ("a b", "[\"a b\"]"),
            ("a[", "expected an index"),
            ("a[-1]", "from 0"),
            ("a[0:2]", "slices"),
            ("a[?x]", "filters"),
            ("a['b]", "closed"),
            ("a]b", "expected `.`"),
            ("a[99999999999999999999]", "too large"),
        ] {
            let message = RecordsPath::parse(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}

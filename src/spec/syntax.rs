//! What is wrong with a text that is no YAML, in words that need no YAML specification.

use std::ops::Range;

use super::unquoted::unquoted;
use crate::document::{Diagnostic, SourceId, Span, nearest};

/// Explains what the library says of a place.
pub fn explain(message: &str, source: SourceId, text: &str, range: Range<usize>) -> Diagnostic {
    let says = |part: &str| message.contains(part);
    let error = |message: &str, range: Range<usize>| {
        Diagnostic::error("yaml-syntax", message, Span::new(source, range))
    };
    if (says("anchor") || says("alias") || says("character") || says("string scalar"))
        && let Some(diagnostic) = unquoted(source, text)
    {
        return diagnostic;
    }
    if says("unknown anchor") {
        return unknown_anchor(source, text, range);
    }
    if says("tabs disallowed") || says("tab") && text[..range.start].ends_with('\t') {
        let start = text[..range.start].trim_end_matches('\t').len();
        return error("a tab can't indent a line", start..range.start)
            .label("tabs are of no fixed width")
            .help("indent with spaces");
    }
    if says("escape") {
        return error(
            "a backslash in double quotes begins an escape, this is none",
            range,
        )
        .help("in single quotes a backslash is a backslash: '\\d'");
    }
    let of_a_pair = [
        "quoted",
        "bracket",
        "brace",
        "illegal placement",
        "flow",
        "end of stream",
    ];
    // The place may be the opening bracket itself.
    if of_a_pair.iter().any(|part| says(part))
        && let Some((open, at)) = unclosed(text, (range.start + 1).min(text.len()))
    {
        return error(&format!("this `{open}` isn't closed"), at..at + 1)
            .label("it begins here")
            .help(format!("add the `{}` that ends it", closing(open)));
    }
    if says("mapping values are not allowed") {
        return colon_in_text(source, text, range);
    }
    if says("block mapping") || says("block collection") || says("block sequence") {
        let line = line_of(text, range.start);
        let content = text[line.clone()].trim();
        let start = line.end - text[line.clone()].trim_start().len();
        let place = start..start + content.len();
        return if content.contains(':') || content.starts_with('-') {
            error("this line is indented like none of those above", place)
                .label("to which key does it belong?")
                .help("keys of one map begin in the same column")
        } else {
            error("expected `key: value`", place).label("where is the `:`?")
        };
    }
    if says("trailing content") {
        let line = line_of(text, range.start);
        return error("the text ends at its closing quote", range.start..line.end)
            .label("this is too much")
            .help("put all of it between the quotes, or none");
    }
    if says("merge value") {
        return error("`<<` takes a map", range)
            .label("expected a map or the anchor of one, such as `*base`");
    }
    if says("string scalar") {
        return error("a key is a text", range).label("expected `key:`");
    }
    if says("unexpected character") || says("control character") {
        let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let found = text.char_indices().find(|(_, c)| strange(*c));
        if let Some((at, c)) = found {
            return error(
                &format!("the character U+{:04X} can't be in a text", u32::from(c)),
                at..at + c.len_utf8(),
            )
            .help("in double quotes it can be written as an escape such as `\"\\x07\"`");
        }
    }
    if says("could not find expected ':'") || says("simple key") {
        let line = line_of(text, range.start);
        return error("expected `key: value`", line)
            .label("where is the `: `?")
            .help("there is a space behind the colon");
    }
    error(&format!("the YAML can't be read: {message}"), range)
}

fn unknown_anchor(source: SourceId, text: &str, range: Range<usize>) -> Diagnostic {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let name_at = |at: usize| {
        let rest = &text[at..];
        &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())]
    };
    let start = (range.start + 1).min(text.len());
    let name = name_at(start);
    let anchors = text[..range.start]
        .match_indices('&')
        .map(|(at, _)| name_at(at + 1))
        .filter(|name| !name.is_empty());
    let diagnostic = Diagnostic::error(
        "yaml-syntax",
        format!("`*{name}` refers to an anchor that isn't there"),
        Span::new(source, range.start..start + name.len()),
    );
    match nearest(name, anchors) {
        Some(near) => diagnostic.label(format!("did you mean `*{near}`?")),
        None => diagnostic
            .label(format!("there is no `&{name}` above"))
            .help("a text that begins with `*` needs quotes"),
    }
}

/// `key: a text: with a colon`.
fn colon_in_text(source: SourceId, text: &str, range: Range<usize>) -> Diagnostic {
    let line = line_of(text, range.start);
    let content = &text[line.clone()];
    let value = content.find(": ").map(|at| at + 2);
    let inside = value.filter(|value| range.start >= line.start + value);
    let Some(value) = inside else {
        if let Some(diagnostic) = without_colon(source, text, line.start) {
            return diagnostic;
        }
        return Diagnostic::error(
            "yaml-syntax",
            "a key can't begin here",
            Span::new(source, range),
        )
        .label("does the line above end as it should?")
        .help("a key begins on a line of its own, indented like its neighbours");
    };
    let written = content[value..].trim();
    let diagnostic = Diagnostic::error(
        "yaml-syntax",
        "a text with `: ` in it needs quotes",
        Span::new(
            source,
            line.start + value..line.start + value + written.len(),
        ),
    );
    if written.contains('"') {
        diagnostic.help(format!("write `'{}'`", written.replace('\'', "''")))
    } else {
        diagnostic.help(format!("write `\"{written}\"`"))
    }
}

/// A line before this one that lacks its `: `, so that the lines after it were read as its text.
fn without_colon(source: SourceId, text: &str, before: usize) -> Option<Diagnostic> {
    let end = text[..before].trim_end().len();
    let line = line_of(text, end.checked_sub(1)?);
    let content = text[line.clone()].trim_start();
    let span = Span::new(source, line.end - content.len()..line.end);
    let error = Diagnostic::error("yaml-syntax", "expected `key: value`", span);
    if content.contains(": ") || content.ends_with(':') || content.starts_with('#') {
        return None;
    }
    Some(match content.split_once(':') {
        Some((key, value)) => error
            .label("there is a space behind the colon")
            .help(format!("write `{key}: {value}`")),
        None => error
            .label("where is the `:`?")
            .help(format!("write `{content}:`")),
    })
}

/// The line that an offset is in, without its end.
fn line_of(text: &str, offset: usize) -> Range<usize> {
    let offset = text.floor_char_boundary(offset);
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..]
        .find('\n')
        .map_or(text.len(), |at| offset + at);
    start..start + text[start..end].trim_end().len()
}

/// The innermost bracket or quote that is open where the reading stopped, and where it stands.
fn unclosed(text: &str, end: usize) -> Option<(char, usize)> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    let mut before = '\n';
    let mut comment = false;
    let mut characters = text[..text.ceil_char_boundary(end)]
        .char_indices()
        .peekable();
    while let Some((at, c)) = characters.next() {
        match quote {
            Some(('"', _)) if c == '\\' => {
                characters.next();
            }
            Some((mark, _)) if c == mark => {
                if mark == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') {
                    characters.next();
                } else {
                    quote = None;
                }
            }
            Some(_) => {}
            None if comment => comment = c != '\n',
            // Within a word these are characters like others.
            None => match c {
                '#' if before.is_whitespace() => comment = true,
                '"' | '\'' if matches!(before, ' ' | '\n' | '[' | '{' | ',') => {
                    quote = Some((c, at));
                }
                '[' | '{' if !open.is_empty() || matches!(before, ' ' | '\n') => {
                    open.push((c, at));
                }
                ']' | '}' => {
                    open.pop();
                }
                _ => {}
            },
        }
        before = c;
    }
    quote.or(open.pop())
}

fn closing(open: char) -> char {
    match open {
        '[' => ']',
        '{' => '}',
        quote => quote,
    }
}

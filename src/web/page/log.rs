//! A log as HTML: a window of it, line by line.

use serde::Serialize;

use super::template::{Markup, markup};
use super::view::encoded;
use crate::model::Timestamp;
use crate::operate::log_window::{Line, Wanted, Window};
use crate::operate::moment;
use crate::web::draw::{ansi, escape, without_ansi};

/// A window and the ways out of it.
#[derive(Serialize)]
pub(super) struct Log {
    lines: Markup,
    is_empty: bool,
    size: String,
    /// The stream of its new lines.
    follow: Option<String>,
    at_end: bool,
    start: Option<String>,
    earlier: Option<String>,
    later: Option<String>,
    end: Option<String>,
    query: String,
    troubles: bool,
    all: String,
    troubles_link: String,
    download: String,
    /// What the form of the search carries.
    fields: Vec<(&'static str, String)>,
}

/// What is asked of a log: the item, the attempt, and which part.
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) wanted: &'a Wanted,
    pub(super) goes_on: bool,
    pub(super) live: String,
    pub(super) download: String,
}

impl Log {
    pub(super) fn new(window: &Window, asked: &Asked<'_>) -> Self {
        let wanted = asked.wanted;
        let searched = !wanted.text.is_empty() || wanted.troubles;
        let at_end = window.until >= window.size;
        let link = |more: &[(&str, String)]| link(asked.path, &asked.query, more);
        let filters = {
            let mut filters = Vec::new();
            if !wanted.text.is_empty() {
                filters.push(("find", wanted.text.clone()));
            }
            if wanted.troubles {
                filters.push(("level", "warn".to_owned()));
            }
            filters
        };
        let with = |name: &'static str, value: String| {
            let mut all = filters.clone();
            all.push((name, value));
            link(&all)
        };
        Self {
            lines: markup(lines(&window.lines, &wanted.text)),
            is_empty: window.lines.is_empty(),
            size: crate::operate::words::bytes(window.size),
            follow: (asked.goes_on && at_end && !searched)
                .then(|| format!("{}from={}", asked.live, window.until)),
            at_end,
            start: (window.from > 0 && !searched).then(|| with("at", "0".to_owned())),
            earlier: (window.from > 0 && !searched)
                .then(|| with("before", window.from.to_string())),
            later: (!at_end).then(|| with("at", window.until.to_string())),
            end: (!at_end && !searched).then(|| link(&[])),
            query: wanted.text.clone(),
            troubles: wanted.troubles,
            all: link(&[]),
            troubles_link: link(&[("level", "warn".to_owned())]),
            download: asked.download.clone(),
            fields: asked.query.clone(),
        }
    }
}

fn link(path: &str, query: &[(&'static str, String)], more: &[(&str, String)]) -> String {
    let own = query.iter().map(|(name, value)| (*name, value));
    let all = own.chain(more.iter().map(|(name, value)| (*name, value)));
    let all: Vec<String> = all
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    if all.is_empty() {
        format!("{path}#log")
    } else {
        format!("{path}?{}#log", all.join("&"))
    }
}

/// Lines as items of a list; what is searched for is marked.
pub(in crate::web) fn lines(lines: &[Line], search: &str) -> String {
    lines.iter().map(|line| of_line(line, search)).collect()
}

fn of_line(line: &Line, search: &str) -> String {
    let level = match line.level.as_str() {
        "err" => "l-err",
        "warn" => "l-warn",
        "error" => "l-error",
        _ => "l-out",
    };
    let clock = line.time.parse::<Timestamp>();
    let clock = clock.map_or_else(
        |_| String::new(),
        |at| moment::local(at).format("%H:%M:%S%.3f").to_string(),
    );
    let text = if search.is_empty() {
        ansi(&line.text)
    } else {
        marked(&without_ansi(&line.text), search)
    };
    let (at, time, word) = (line.at, escape(&line.time), escape(&line.level));
    format!(
        "<li class=\"{level}\" id=\"b{at}\"><time datetime=\"{time}\">{clock}</time><span \
         class=\"level\">{word}</span><span>{text}</span></li>\n"
    )
}

/// The text with every place of `search` marked, in whatever case.
fn marked(text: &str, search: &str) -> String {
    let (mut html, mut rest) = (String::new(), text);
    let find = |rest: &str| {
        rest.char_indices().map(|(at, _)| at).find(|at| {
            let part = rest.as_bytes().get(*at..at + search.len());
            part.is_some_and(|part| part.eq_ignore_ascii_case(search.as_bytes()))
        })
    };
    while let Some(at) = find(rest) {
        let (before, found) = rest.split_at(at);
        let (found, after) = found.split_at(search.len());
        html.push_str(&format!("{}<mark>{}</mark>", escape(before), escape(found)));
        rest = after;
    }
    html.push_str(&escape(rest));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_can_t_leave_its_lines() {
        let line = Line {
            at: 7,
            time: "2026-08-21T00:00:00.000Z\"><script>".to_owned(),
            level: "<b>".to_owned(),
            text: "\u{1b}[31m</span><script>alert(1)</script>".to_owned(),
        };
        for search in ["", "script"] {
            let html = lines(std::slice::from_ref(&line), search);
            assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        }
    }

    #[test]
    fn what_is_searched_for_is_marked() {
        let found = marked("Ärger: an Error <error>", "error");
        assert_eq!(
            found,
            "Ärger: an <mark>Error</mark> &lt;<mark>error</mark>&gt;"
        );
    }
}

//! From one page of records to the next.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::answer::Answer;
use super::call::plain_text;
use super::definition::answer_scope;
use super::links::links_of;
use crate::connection::HttpRequest;
use crate::data::DataError;
use crate::data::json::RecordsPath;
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned, Value};
use crate::task::{Surroundings, TaskFailure};
use crate::template::{Scope, Template, TemplateValue};

crate::record! {
    /// How to ask for the next page: by `page`, `offset`, `cursor` or `link`.
    pub struct RawPages as "`pages`" {
        /// The name in the query that takes the number of the page. A page without records is the last.
        page: Option<Spanned<String>>,
        /// The number of the first page, or the first offset. 1 and 0 when left out.
        first: Option<u32>,
        /// The name in the query that takes how many records to pass over. A page without records is the last.
        offset: Option<Spanned<String>>,
        /// How far the offset goes on with each page. As many records as the page had when left out.
        step: Option<Node>,
        /// Where the answer says what comes next: a path in the body (`meta.next`), or `{ header: x-next }`. Nothing, `null`, `false` and an empty text are the end.
        cursor: Option<Cursor>,
        /// The name in the query that takes the cursor. Without it the cursor is the link of the next page.
        query: Option<Spanned<String>>,
        /// The relation of the next page in the header `Link` (RFC 8288): `next`.
        link: Option<Spanned<String>>,
        /// How many pages are asked for at most: a number or a template.
        limit: Option<Node>,
        /// An expression that is true for the last page. It sees `body` (without the records), `status`, `headers`, `page.number` (from 1) and `page.records`.
        until: Option<Spanned<String>>,
    }
}

crate::record! {
    /// A header with a cursor.
    struct HeaderCursor as "a cursor" {
        /// The name of the header.
        header: Spanned<String>,
    }
}

/// Where a cursor stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Cursor {
    Body(Spanned<String>),
    Header(Spanned<String>),
}

impl FromNode for Cursor {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Map(_) => HeaderCursor::from_node(node, report).map(|c| Self::Header(c.header)),
            _ => Spanned::<String>::from_node(node, report).map(Self::Body),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, HeaderCursor::schema()] })
    }
}

/// Checked paging.
#[derive(Debug)]
pub(super) struct Pages {
    style: Style,
    limit: Option<TemplateValue>,
    until: Option<Template>,
}

#[derive(Debug)]
enum Style {
    Page {
        name: String,
        first: u32,
    },
    Offset {
        name: String,
        first: u32,
        step: Option<TemplateValue>,
    },
    BodyCursor {
        path: RecordsPath,
        query: Option<String>,
    },
    HeaderCursor {
        header: String,
        query: Option<String>,
    },
    Link {
        relation: String,
    },
}

impl Pages {
    pub(super) fn read(raw: &RawPages, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let text = |text: &Spanned<String>| text.value.clone();
        let query = raw.query.as_ref().map(text);
        let mut conflict = |message: String| {
            let diagnostic = Diagnostic::error("conflicting-keys", message, raw.span);
            surroundings.report.push(diagnostic);
        };
        let styles = [
            ("page", raw.page.is_some()),
            ("offset", raw.offset.is_some()),
            ("cursor", raw.cursor.is_some()),
            ("link", raw.link.is_some()),
        ];
        let given: Vec<&str> = styles
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect();
        let [style] = given.as_slice() else {
            conflict(match given.as_slice() {
                [] => "`pages` needs one of `page`, `offset`, `cursor` and `link`".to_owned(),
                several => format!(
                    "`pages` has `{}`: leave one of them",
                    several.join("` and `")
                ),
            });
            return None;
        };
        let mut fits = true;
        for (name, misplaced, needs) in [
            (
                "first",
                raw.first.is_some() && !matches!(*style, "page" | "offset"),
                "`page` or `offset`",
            ),
            ("step", raw.step.is_some() && *style != "offset", "`offset`"),
            (
                "query",
                raw.query.is_some() && *style != "cursor",
                "`cursor`",
            ),
        ] {
            if misplaced {
                conflict(format!("`{name}` needs {needs}, this is `{style}`"));
                fits = false;
            }
        }
        let style = if let Some(name) = &raw.page {
            Style::Page {
                name: text(name),
                first: raw.first.unwrap_or(1),
            }
        } else if let Some(name) = &raw.offset {
            let step = match &raw.step {
                Some(step) => Some(surroundings.template_value(step)?),
                None => None,
            };
            Style::Offset {
                name: text(name),
                first: raw.first.unwrap_or(0),
                step,
            }
        } else if let Some(relation) = &raw.link {
            Style::Link {
                relation: text(relation),
            }
        } else {
            match raw.cursor.as_ref()? {
                Cursor::Header(header) => Style::HeaderCursor {
                    header: text(header),
                    query,
                },
                Cursor::Body(path) => match RecordsPath::parse(path) {
                    Ok(path) => Style::BodyCursor { path, query },
                    Err(message) => {
                        let diagnostic = Diagnostic::error("invalid-path", message, path.span);
                        surroundings.report.push(diagnostic);
                        return None;
                    }
                },
            }
        };
        let limit = match &raw.limit {
            Some(limit) => Some(surroundings.template_value(limit)?),
            None => None,
        };
        let until = match &raw.until {
            Some(until) => {
                let scope = answer_scope(surroundings.scope);
                Some(surroundings.expression_in(until, &scope)?)
            }
            None => None,
        };
        fits.then_some(Self {
            style,
            limit,
            until,
        })
    }

    /// Whether it looks into the body.
    pub(super) fn reads_body(&self) -> bool {
        self.until.is_some() || matches!(self.style, Style::BodyCursor { .. })
    }
}

/// The way through the pages.
pub(super) struct Walk<'a> {
    pages: &'a Pages,
    limit: Option<u64>,
    step: Option<u64>,
    /// Pages that were asked for.
    pub(super) number: u64,
    offset: u64,
    next: Next,
    /// Cursors and links that have been followed.
    seen: HashSet<u64>,
    /// What the last page began with.
    last_start: Option<u64>,
}

enum Next {
    /// A value of the query.
    Query(Option<(String, String)>),
    /// Another URL.
    Link(String),
}

impl<'a> Walk<'a> {
    pub(super) fn new(pages: &'a Pages, scope: &Scope) -> Result<Self, TaskFailure> {
        let step = match &pages.style {
            Style::Offset {
                step: Some(step), ..
            } => Some(whole_number("step", step, scope)?),
            _ => None,
        };
        let (offset, next) = match &pages.style {
            Style::Page { name, first } | Style::Offset { name, first, .. } => {
                (u64::from(*first), Some((name.clone(), first.to_string())))
            }
            _ => (0, None),
        };
        Ok(Self {
            limit: match &pages.limit {
                Some(limit) => Some(whole_number("limit", limit, scope)?),
                None => None,
            },
            step,
            pages,
            number: 0,
            offset,
            next: Next::Query(next),
            seen: HashSet::new(),
            last_start: None,
        })
    }

    /// Turns a request into that of the page which is next.
    pub(super) fn turn(&mut self, request: &mut HttpRequest) {
        self.number += 1;
        match &self.next {
            Next::Query(None) => {}
            Next::Query(Some((name, value))) => {
                request.query.retain(|(other, _)| other != name);
                request.query.push((name.clone(), value.clone()));
            }
            Next::Link(link) => {
                request.target.clone_from(link);
                // A link is whole: it has what the first request's query had.
                request.query.clear();
                request.checked_target = true;
            }
        }
    }

    /// Looks at a page, of which `start` is what it begins with; false when it was the last.
    pub(super) fn go_on(
        &mut self,
        answer: &Answer,
        start: u64,
        scope: &Scope,
    ) -> Result<bool, DataError> {
        if let Some(until) = &self.pages.until
            && answer.is_true(until, scope, self.number)?
        {
            return Ok(false);
        }
        if self.limit.is_some_and(|limit| self.number >= limit) {
            return Ok(false);
        }
        let records = answer.end.records;
        match &self.pages.style {
            Style::Page { name, .. } | Style::Offset { name, .. } => {
                if records == 0 {
                    return Ok(false);
                }
                if self.last_start.replace(start) == Some(start) {
                    return Err(answer.failed(
                        &format!("this page is the same as the one before it: the API doesn't know `{name}`"),
                        false,
                    ));
                }
                let paging = matches!(self.pages.style, Style::Page { .. });
                self.offset += if paging {
                    1
                } else {
                    self.step.unwrap_or(records)
                };
                self.next = Next::Query(Some((name.clone(), self.offset.to_string())));
                Ok(true)
            }
            Style::BodyCursor { path, query } => {
                let body = answer.body()?;
                let cursor = path.find(&body).unwrap_or(&Json::Null);
                let cursor = match cursor {
                    Json::Null | Json::Bool(false) => String::new(),
                    Json::String(_) | Json::Number(_) => plain_text(cursor),
                    _ => {
                        return Err(answer.failed(
                            &format!("the cursor `{path}` is neither a text nor a number"),
                            false,
                        ));
                    }
                };
                self.follow(answer, cursor, query.as_deref())
            }
            Style::HeaderCursor { header, query } => {
                let cursor = answer.head.header(header).unwrap_or_default().to_owned();
                self.follow(answer, cursor, query.as_deref())
            }
            Style::Link { relation } => {
                let links = answer.head.all("link");
                let link = links.flat_map(links_of).find(|(_, relations)| {
                    let mut relations = relations.split_ascii_whitespace();
                    relations.any(|found| found.eq_ignore_ascii_case(relation))
                });
                let target = link.map(|(target, _)| target.to_owned());
                self.follow(answer, target.unwrap_or_default(), None)
            }
        }
    }

    fn follow(
        &mut self,
        answer: &Answer,
        cursor: String,
        query: Option<&str>,
    ) -> Result<bool, DataError> {
        if cursor.is_empty() {
            return Ok(false);
        }
        if !self.seen.insert(hash(cursor.as_bytes())) {
            return Err(answer.failed(
                &format!("the pages go round in a circle: `{cursor}` came twice"),
                false,
            ));
        }
        self.next = match query {
            Some(name) => Next::Query(Some((name.to_owned(), cursor))),
            None => Next::Link(answer.head.resolve(&cursor)?),
        };
        Ok(true)
    }
}

pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// A number that is at least 1.
pub(super) fn whole_number(
    name: &str,
    value: &TemplateValue,
    scope: &Scope,
) -> Result<u64, TaskFailure> {
    let value = value.evaluate(scope)?;
    let number = match &value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0).ok_or_else(|| {
        TaskFailure::permanent(format!("`{name}` is a whole number from 1, not `{value}`"))
    })
}

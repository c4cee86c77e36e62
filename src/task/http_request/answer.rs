//! What came back of one request.

use serde_json::{Map, Value as Json, json};

use crate::connection::HttpHead;
use crate::data::DataError;
use crate::data::decode::{DocumentEnd, Notation};
use crate::template::{Scope, Template};

/// Characters of an answer that a message shows.
const SHOWN: usize = 500;

/// An answer, without its records.
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) head: HttpHead,
    pub(super) notation: Notation,
    pub(super) end: DocumentEnd,
}

impl Answer {
    /// The names that an expression over it sees.
    fn scope(&self, scope: &Scope, page: u64) -> Result<Scope, DataError> {
        let headers: Map<String, Json> = self
            .head
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
            .collect();
        Ok(scope
            .clone()
            .with("body", &self.body()?)
            .with("status", &self.head.status.into())
            .with("headers", &headers.into())
            .with(
                "page",
                &json!({ "number": page, "records": self.end.records }),
            ))
    }

    /// The JSON beside the records.
    pub(super) fn body(&self) -> Result<Json, DataError> {
        let text = self.end.beside.as_deref().ok_or_else(|| {
            let reason = match self.notation {
                Notation::Json if self.end.records == 0 => {
                    "it has no body, so that expressions can't see one"
                }
                Notation::Json => {
                    "expressions can't see it: beside its records it is longer than 1 MiB"
                }
                _ => "expressions can't see its body: it is no JSON",
            };
            self.failed(reason, false)
        })?;
        serde_json::from_str(text).map_err(|error| self.failed(&error.to_string(), false))
    }

    /// Whether an expression over it is true; `page` counts from 1.
    pub(super) fn is_true(
        &self,
        expression: &Template,
        scope: &Scope,
        page: u64,
    ) -> Result<bool, DataError> {
        let scope = self.scope(scope, page)?;
        expression
            .is_true(&scope)
            .map_err(|error| self.failed(&format!("`{}`: {error}", expression.source()), false))
    }

    /// Checks that it is as it should be.
    pub(super) fn check(
        &self,
        expected: Option<&Template>,
        scope: &Scope,
    ) -> Result<(), DataError> {
        if let Some(expected) = expected
            && !self.is_true(expected, scope, 1)?
        {
            let reason = format!(
                "the answer isn't as expected, `{}` is false: {}",
                expected.source(),
                self.excerpt()
            );
            // The server may think better of it: a busy API says so in its body.
            return Err(self.failed(&reason, true));
        }
        match &self.end.missing {
            Some(missing) => Err(self.failed(&format!("{missing}: {}", self.excerpt()), false)),
            None => Ok(()),
        }
    }

    fn excerpt(&self) -> String {
        let text = self.end.beside.as_deref().unwrap_or_default();
        // On one line, however it was laid out.
        let mut words = text.split_whitespace();
        let mut shown = words.next().unwrap_or_default().to_owned();
        for word in words {
            if shown.len() > SHOWN {
                break;
            }
            shown.push(' ');
            shown.push_str(word);
        }
        match shown.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &shown[..end]),
            None => shown,
        }
    }

    /// An error of its decoder, with what it was announced as when that is no JSON.
    pub(super) fn explained(&self, error: DataError) -> DataError {
        let said = self.head.header("content-type").unwrap_or_default();
        match error {
            DataError::Record { message, place }
                if self.notation == Notation::Json
                    && !said.is_empty()
                    && Notation::of_content_type(said) != Some(Notation::Json) =>
            {
                DataError::Record {
                    message: format!("{message}; its `Content-Type` is `{said}`"),
                    place,
                }
            }
            error => error,
        }
    }

    pub(super) fn failed(&self, reason: &str, retryable: bool) -> DataError {
        DataError::Source {
            message: format!("{}: {reason}", self.name),
            retryable,
        }
    }
}

//! What came back of one request.

use serde_json::{Map, Value as Json, json};

use crate::connection::HttpHead;
use crate::data::DataError;
use crate::data::decode::DocumentEnd;
use crate::template::{Scope, Template};

/// Characters of an answer that a message shows.
const SHOWN: usize = 500;

/// An answer, without its records.
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) head: HttpHead,
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
            self.failed("what it holds beside its records is longer than 1 MiB, or no JSON: expressions can't see it", false)
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
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }

    pub(super) fn failed(&self, reason: &str, retryable: bool) -> DataError {
        DataError::Source {
            message: format!("{}: {reason}", self.name),
            retryable,
        }
    }
}

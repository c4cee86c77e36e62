//! What went wrong, for programs: RFC 9457, `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::store::StoreError;

/// An answer to a request that can't be fulfilled (RFC 9457).
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// The HTTP status, again.
    pub status: u16,
    /// What kind of problem it is, the same words for the same status.
    pub title: String,
    /// What went wrong here.
    pub detail: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// After how many seconds it may be tried again.
    #[serde(skip)]
    pub retry_after: Option<i64>,
    /// How it can be asked for, when it can't be so.
    #[serde(skip)]
    pub allow: Option<String>,
}

impl Problem {
    /// A problem of a status, with what went wrong: lowercase, without a period.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            detail: detail.into(),
            help: None,
            retry_after: None,
            allow: None,
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// 400: the request makes no sense.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: there is no such thing.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 500: something that should never happen. The cause goes to the log, not to who asked.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "something failed here; the log of `runner` tells what",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable { .. } => {
                tracing::warn!(%error, "a request failed");
                let mut problem = Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the run state can't be reached just now",
                );
                problem.retry_after = Some(1);
                problem
            }
            StoreError::UnknownRun(_) | StoreError::UnknownAccount(_) => {
                Self::missing(error.to_string())
            }
            StoreError::Exists(_)
            | StoreError::NameTaken(_)
            | StoreError::NotOwner { .. }
            | StoreError::Fenced { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self
            .allow
            .and_then(|allow| HeaderValue::from_str(&allow).ok())
        {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer realm=\"runner\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

//! What comes with a request: mistakes in it are problems as all others.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize as _, Deserializer};
use serde_json::Number;

use crate::operate::{Mistake, MistakeKind, Trouble};
use crate::web::Problem;

/// A body in JSON; none at all is an empty object.
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        if bytes.is_empty() {
            return read(b"{}").map(Self);
        }
        if !is_json {
            return Err(
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body isn't JSON")
                    .help("send `Content-Type: application/json`"),
            );
        }
        read(&bytes).map(Self)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::bad(format!("the body: {error}")))
}

/// A whole number, however it is written: to JSON Schema `5.0` is one, too.
pub(super) fn whole<'de, D: Deserializer<'de>, T: FromStr>(number: D) -> Result<T, D::Error> {
    parsed(&Number::deserialize(number)?)
}

/// A [`whole`] number, or none.
pub(super) fn whole_or_none<'de, D: Deserializer<'de>, T: FromStr>(
    number: D,
) -> Result<Option<T>, D::Error> {
    let number = Option::<Number>::deserialize(number)?;
    number.map(|number| parsed(&number)).transpose()
}

fn parsed<T: FromStr, E: Error>(number: &Number) -> Result<T, E> {
    let text = number.to_string();
    let whole = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole,
        _ => &text,
    };
    let wrong = |_| {
        E::custom(format!(
            "`{text}` is no whole number that can be meant here"
        ))
    };
    whole.parse().map_err(wrong)
}

/// What stands behind the `?`.
pub(super) struct Search<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Search<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| Problem::bad(error.body_text()))
    }
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        let status = match mistake.kind() {
            MistakeKind::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
            MistakeKind::Missing => StatusCode::NOT_FOUND,
            MistakeKind::Conflict => StatusCode::CONFLICT,
            MistakeKind::Nobody => StatusCode::SERVICE_UNAVAILABLE,
        };
        let problem = Self::new(status, mistake.to_string());
        match mistake.advice() {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Mistake(mistake) => mistake.into(),
            Trouble::Store(error) => error.into(),
            Trouble::File(_) | Trouble::Other(_) => Self::internal(&trouble),
        }
    }
}

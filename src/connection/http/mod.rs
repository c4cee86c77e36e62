//! HTTP: an API below a base URL, or any URL at all.

mod api;
mod body;
mod client;
mod error;
mod kind;
mod probe;
mod request;
mod response;
mod settings;

pub use api::{HttpApi, Sending};
pub use body::HttpStream;
pub use error::HttpError;
pub(super) use kind::KIND;
pub use request::{HttpBody, HttpLimits, HttpMethod, HttpRequest, StatusSet};
pub use response::{HttpHead, HttpResponse};

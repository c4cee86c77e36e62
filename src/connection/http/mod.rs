//! HTTP: an API below a base URL, or any URL at all.

mod address;
mod answer;
mod api;
mod base;
mod body;
mod call;
mod cause;
mod client;
mod credentials;
mod error;
mod exchange;
mod journal;
mod kind;
mod network;
mod probe;
mod proxy;
mod request;
mod response;
mod settings;
mod tries;
mod trip;
mod unpack;
mod upload;
mod written;

pub use api::{HttpApi, Sending, Sent};
pub use body::HttpStream;
pub use client::plain_client;
pub use error::HttpError;
pub(super) use kind::KIND;
pub use request::{HttpBody, HttpLimits, HttpMethod, HttpRequest, StatusSet};
pub use response::{HttpHead, HttpResponse};

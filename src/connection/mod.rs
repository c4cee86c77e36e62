//! Connections: what tasks reach the world through. One file a kind, one row each in [`KINDS`].

mod bucket;
mod copy_context;
mod database;
mod files;
mod form;
mod http;
pub mod kafka;
mod kind;
mod notifier;
mod postgres;
mod rate_limit;
mod smtp;
mod sqlite;
mod stream_place;
mod table;
mod unreachable;
mod webhook;

pub use crate::sqltext::Dialect;
pub use bucket::Folder;
pub use copy_context::RefusedRecord;
pub use database::{
    Access, ByteSource, Claim, Database, DatabaseError, Described, ErrorPlace, Fetched, LedgerKey,
    LoadInput, LoadMode, LoadTarget, Loaded, Notice, ReplaceBy, Session, Statement, Stopper,
};
pub use files::{Bucket, StoredFile};
pub use form::form_encoded;
pub use http::{
    HttpApi, HttpBody, HttpError, HttpHead, HttpLimits, HttpMethod, HttpRequest, HttpResponse,
    HttpStream, Sending, Sent, StatusSet, plain_client,
};
pub use kind::{Connection, ConnectionKind, Connections, Places, Surroundings};
pub use notifier::{Message, Notifier, NotifyError};
pub use rate_limit::{Rate, RateLimit};
pub use stream_place::{HeldPartition, StreamKey, StreamMove};
pub use table::{TableColumn, TableShape};

/// Every kind of connection.
pub const KINDS: &[&ConnectionKind] = &[
    &http::KIND,
    &kafka::KIND,
    &bucket::KIND,
    &postgres::KIND,
    &smtp::KIND,
    &sqlite::KIND,
    &webhook::KIND,
];

//! The client of a cloud's store, and what its errors say to people.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ClientOptions, Error, ObjectStore, RetryConfig};

use crate::connection::bucket::address::{Cloud, CloudAddress};
use crate::connection::bucket::condition::Connector;
use crate::connection::unreachable::advised;
use crate::data::DataError;

/// How long one request is tried again. A task has retries of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the client of an address; it reaches nothing yet.
pub fn build(address: &CloudAddress) -> object_store::Result<Arc<dyn ObjectStore>> {
    // Another part of the program may have done it already: the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig {
        max_retries: 5,
        retry_timeout: PATIENCE,
        ..RetryConfig::default()
    };
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(Duration::from_mins(2));
    macro_rules! configured {
        ($builder:expr) => {{
            let mut builder = $builder.with_client_options(client).with_retry(retry);
            for (name, value) in &address.options {
                // The environment has variables that aren't meant for the store.
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value.reveal());
                }
            }
            builder.with_http_connector(Connector)
        }};
    }
    Ok(match address.cloud {
        Cloud::S3 => Arc::new(
            configured!(AmazonS3Builder::new())
                .with_bucket_name(&address.bucket)
                .with_disable_bulk_delete(true)
                .build()?,
        ),
        Cloud::Google => Arc::new(
            configured!(GoogleCloudStorageBuilder::new())
                .with_bucket_name(&address.bucket)
                .build()?,
        ),
        Cloud::Azure => Arc::new(
            configured!(MicrosoftAzureBuilder::new())
                .with_container_name(&address.bucket)
                .build()?,
        ),
    })
}

/// An error in the words of a stream of records; `shown` is the object it is about.
pub fn failure(shown: &str, endpoint: Option<&str>, error: &Error) -> DataError {
    let (message, retryable) = match error {
        Error::NotFound { .. } => (format!("`{shown}` doesn't exist"), true),
        Error::PermissionDenied { .. } => (
            format!(
                "`{shown}`: the store refuses these credentials: {}",
                said(error)
            ),
            false,
        ),
        Error::Unauthenticated { .. } => (
            format!(
                "`{shown}`: the store doesn't know these credentials: {}",
                said(error)
            ),
            false,
        ),
        Error::NotImplemented { .. } | Error::NotSupported { .. } | Error::InvalidPath { .. } => {
            (format!("`{shown}`: {}", said(error)), false)
        }
        error => {
            let at = endpoint.map_or(String::new(), |endpoint| format!(" at {endpoint}"));
            (advised(format!("`{shown}`{at}: {}", said(error))), true)
        }
    };
    DataError::Source { message, retryable }
}

/// The error in the end: what the library wraps around it says nothing more.
pub fn said(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let line = text.lines().next().unwrap_or_default().trim();
    line.trim_end_matches('.').to_owned()
}

//! The library's client: made at the first use, with certificates, proxies and guards.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity};

use super::HttpError;
use super::network::Guard;
use super::proxy::Proxies;

/// What all clients of a connection have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct ClientSettings {
    /// Authorities to trust besides those of the system.
    pub(super) ca: Option<PathBuf>,
    /// The client's own certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) proxies: Proxies,
}

/// What a client is made for. Requests that differ in it don't share connections: what was reached
/// without a guard isn't used behind one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientShape {
    pub(super) connect_timeout: Duration,
    pub(super) guard: Guard,
}

/// Makes a client.
///
/// # Errors
/// A file can't be read or has no certificate; a proxy is none.
pub(super) fn build(settings: &ClientSettings, shape: &ClientShape) -> Result<Client, HttpError> {
    install_provider();
    let certificates = match &settings.ca {
        Some(path) => {
            let read = Certificate::from_pem_bundle(&read(path)?);
            read.ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| wrong(path, "has no certificate in PEM form"))?
        }
        None => Vec::new(),
    };
    let identity = match &settings.identity {
        Some((certificate, key)) => {
            let mut pem = read(certificate)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            Some(Identity::from_pem(&pem).map_err(|_| {
                let message = format!(
                    "and `{}` are no certificate and its key in PEM form",
                    key.display()
                );
                wrong(certificate, &message)
            })?)
        }
        None => None,
    };
    let proxies = settings.proxies.build()?;
    let make = |only_these: bool| {
        let mut builder = Client::builder()
            .connect_timeout(shape.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        for proxy in &proxies {
            builder = builder.proxy(proxy.clone());
        }
        if shape.guard.is_needed() {
            builder = builder.dns_resolver(Arc::new(shape.guard.clone()));
        }
        if let Some(identity) = &identity {
            builder = builder.identity(identity.clone());
        }
        let certificates = certificates.iter().cloned();
        if only_these {
            builder.tls_certs_only(certificates).build()
        } else {
            builder.tls_certs_merge(certificates).build()
        }
    };
    // A machine without any certificates can still speak to servers that need none.
    make(false).or_else(|_| make(true)).map_err(|error| {
        let reason = super::cause::reason(&error);
        HttpError::permanent(format!("no HTTP client can be made: {reason}"))
    })
}

/// A client that belongs to no connection: for what this program itself sends, such as traces. It
/// takes proxies from the environment and follows nobody elsewhere.
///
/// # Errors
/// When none can be made, in words.
pub fn plain_client(timeout: Duration) -> Result<Client, String> {
    install_provider();
    let make = |only_these: bool| {
        let builder = Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")));
        if only_these {
            builder.tls_certs_only([]).build()
        } else {
            builder.build()
        }
    };
    let client = make(false).or_else(|_| make(true));
    client.map_err(|error| super::cause::reason(&error))
}

fn read(path: &Path) -> Result<Vec<u8>, HttpError> {
    std::fs::read(path).map_err(|error| wrong(path, &format!("can't be read: {error}")))
}

fn wrong(path: &Path, what: &str) -> HttpError {
    HttpError::permanent(format!("`{}` {what}", path.display()))
}

/// Chooses the cryptography of all TLS in the process, once.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another library may have been faster: with the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

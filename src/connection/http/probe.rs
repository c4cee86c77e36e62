//! Whether a server is there.

use std::time::Duration;

use reqwest::Url;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::HttpApi;
use crate::connection::unreachable::no_connection;

/// How long the name server and the server itself may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the server of an API's base URL is there.
pub(super) async fn probe(api: &HttpApi) -> Result<(), String> {
    match api.shared.base.url().await {
        Ok(Some(base)) => reach(&base).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Resolves the host of a URL and connects to it; sends nothing.
async fn reach(base: &Url) -> Result<(), String> {
    let (Some(host), Some(port)) = (base.host_str(), base.port_or_known_default()) else {
        return Err("its URL has no host".to_owned());
    };
    let host = host.trim_matches(['[', ']']);
    let looked_up = timeout(PATIENCE, lookup_host((host, port))).await;
    let addresses: Vec<_> = match looked_up {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(no_connection(&format!("{host}:{port}"), &error.to_string())),
        Err(_) => {
            return Err(no_connection(
                &format!("{host}:{port}"),
                "the look-up of the name timed out",
            ));
        }
    };
    match timeout(PATIENCE, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(no_connection(&format!("{host}:{port}"), &error.to_string())),
        Err(_) => Err(no_connection(&format!("{host}:{port}"), "timed out")),
    }
}

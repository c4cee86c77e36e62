//! TLS with an authority of one's own, and with a client's certificate.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::around::{Stage, get};
use crate::support::fault_server::{FaultServer, ok};

/// A server for `localhost`, and the files of its authority and of a client in a folder.
struct Trust {
    folder: tempfile::TempDir,
    config: ServerConfig,
}

fn trust(clients_need_one: bool) -> Trust {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &ca).unwrap(), key)
    };
    let (server, server_key) = signed("localhost");
    let (client, client_key) = signed("client");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", ca.pem());
    write("client.pem", client.pem());
    write("client.key", client_key.serialize_pem());
    write("empty.pem", String::new());
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if clients_need_one {
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::Pkcs8(server_key.serialize_der().into());
    let chain = vec![server.der().clone()];
    let config = builder.with_single_cert(chain, key).unwrap();
    Trust { folder, config }
}

async fn ask(server: &FaultServer, url: &str, tls: &str, folder: &Path) -> Result<String, String> {
    let stage = Stage::within(url, &format!("tries: 1, {tls}"), folder);
    let answer = stage.fetch(&get("/x")).await;
    let (_, body) = answer.map_err(|error| format!("{error} (again: {})", error.retryable))?;
    assert!(!server.received().is_empty());
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let Trust { folder, config } = trust(false);
    let server = FaultServer::start_tls(Arc::new(config), |_| ok("done"));
    let (name, address) = (server.url_by_name(), server.url());
    for (url, tls, expected) in [
        (&name, "tls: { ca: ca.pem }", Ok("done")),
        (
            &name,
            "",
            Err("of an unknown authority: name it with `tls: { ca: … }` (again: false)"),
        ),
        // The certificate is for the name.
        (&address, "tls: { ca: ca.pem }", Err("certificate")),
        (
            &name,
            "tls: { ca: gone.pem }",
            Err("gone.pem` can't be read"),
        ),
        (
            &name,
            "tls: { ca: empty.pem }",
            Err("empty.pem` has no certificate in PEM form"),
        ),
    ] {
        let answer = ask(&server, url, tls, folder.path()).await;
        match expected {
            Ok(expected) => assert_eq!(answer.as_deref(), Ok(expected), "{tls}"),
            Err(part) => {
                let error = answer.unwrap_err();
                assert!(
                    error.contains(part) && error.contains("(again: false)"),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_has_one() {
    let Trust { folder, config } = trust(true);
    let server = FaultServer::start_tls(Arc::new(config), |_| ok("done"));
    let url = server.url_by_name();
    let both = "tls: { ca: ca.pem, certificate: client.pem, key: client.key }";
    assert_eq!(
        ask(&server, &url, both, folder.path()).await.as_deref(),
        Ok("done")
    );
    let error = ask(&server, &url, "tls: { ca: ca.pem }", folder.path())
        .await
        .unwrap_err();
    assert!(
        error.contains("ertificateRequired") && error.contains("(again: false)"),
        "{error}"
    );
    let swapped = "tls: { ca: ca.pem, certificate: client.key, key: client.key }";
    let error = ask(&server, &url, swapped, folder.path())
        .await
        .unwrap_err();
    assert!(error.contains("are no certificate and its key"), "{error}");
}

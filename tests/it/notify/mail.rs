//! Messages by mail, to a server that speaks as little SMTP as can be.

use std::sync::{Arc, Mutex};

use runner::model::FailureKind;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{attempt, kind};

/// A mail server that keeps what it is told. It ends when it is dropped.
struct Server {
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// `refusal`: the beginning of a command, and what it is answered with.
    async fn start(
        refusal: Option<(&'static str, &'static str)>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            converse(stream, refusal, &kept).await;
                        }
                    }
                    None => converse(stream, refusal, &kept).await,
                }
            }
        });
        Self {
            port,
            lines,
            serving,
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    refusal: Option<(&str, &str)>,
    kept: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut reply = "220 ready".to_owned();
    let mut in_data = false;
    loop {
        if !reply.is_empty()
            && stream
                .write_all(format!("{reply}\r\n").as_bytes())
                .await
                .is_err()
        {
            return;
        }
        let _ = stream.flush().await;
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_owned();
        kept.lock().unwrap().push(line.clone());
        if in_data {
            in_data = line != ".";
            reply = if in_data {
                String::new()
            } else {
                "250 taken".to_owned()
            };
            continue;
        }
        reply = match refusal {
            Some((command, answer)) if line.starts_with(command) => answer.to_owned(),
            _ if line.starts_with("EHLO") => "250-local\r\n250 AUTH PLAIN".to_owned(),
            _ if line.starts_with("AUTH") => "235 welcome".to_owned(),
            _ if line == "DATA" => "354 go on".to_owned(),
            _ if line == "QUIT" => "221 bye".to_owned(),
            _ => "250 fine".to_owned(),
        };
        in_data = line == "DATA" && reply.starts_with("354");
    }
}

#[tokio::test]
async fn a_message_is_sent_as_mail() {
    let server = Server::start(None, None).await;
    let connection = format!(
        "smtp: {{ host: 127.0.0.1, port: {}, tls: none, username: me, password: a-long-password, \
         from: \"Runner <runner@example.com>\", to: ops@example.com }}",
        server.port
    );
    let attempt = attempt("mail", &connection);
    let mut task = json!({
        "connection": "mail", "title": "Loaded\r\nBcc: evil@example.com", "text": "all of {{ run.dag }}\n.\nend",
        "fields": { "rows": 3 },
    });
    attempt.run(kind(), &task).await.unwrap();
    let lines = server.lines();
    let has = |line: &str| {
        assert!(
            lines.iter().any(|found| found == line),
            "{line}: {lines:#?}"
        );
    };
    // "\0me\0a-long-password"
    has("AUTH PLAIN AG1lAGEtbG9uZy1wYXNzd29yZA==");
    has("MAIL FROM:<runner@example.com>");
    has("RCPT TO:<ops@example.com>");
    has("Subject: Loaded Bcc: evil@example.com");
    has("To: ops@example.com");
    has("Date: Fri, 21 Aug 2026 00:00:00 +0000");
    has("Content-Type: text/plain; charset=utf-8");
    has("all of dag");
    has("..");
    has("rows: 3");
    assert!(
        !lines.iter().any(|line| line.starts_with("Bcc")),
        "{lines:#?}"
    );
    let id = lines
        .iter()
        .find(|line| line.starts_with("Message-ID: "))
        .unwrap();
    assert!(id.ends_with(".task.0@example.com>"), "{id}");
    let log = attempt.log().join("\n");
    assert!(log.contains("told ops@example.com by 127.0.0.1:"), "{log}");

    task["to"] = json!(["{{ run.dag }}@example.com", "B <b@example.com>"]);
    attempt.run(kind(), &task).await.unwrap();
    let lines = server.lines();
    for line in ["RCPT TO:<dag@example.com>", "RCPT TO:<b@example.com>"] {
        assert!(
            lines.iter().any(|found| found == line),
            "{line}: {lines:#?}"
        );
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_said() {
    for (refusal, expected, retried) in [
        (("RCPT", "550 no such user"), "550", FailureKind::Permanent),
        (("MAIL", "451 later"), "451", FailureKind::Retryable),
        (("AUTH", "535 who are you"), "535", FailureKind::Permanent),
    ] {
        let server = Server::start(Some(refusal), None).await;
        let connection = format!(
            "smtp: {{ host: 127.0.0.1, port: {}, tls: none, username: me, password: secret, \
             from: runner@example.com, to: ops@example.com }}",
            server.port
        );
        let attempt = attempt("mail", &connection);
        let task = json!({ "connection": "mail", "text": "x" });
        let failure = attempt.run(kind(), &task).await.unwrap_err();
        assert_eq!(failure.cause.kind, retried, "{}", failure.cause.message);
        assert!(
            failure.cause.message.contains(expected),
            "{}",
            failure.cause.message
        );
    }
}

#[tokio::test]
async fn nobody_named_is_a_failure() {
    let connection = "smtp: { host: 127.0.0.1, port: 1, tls: none, from: runner@example.com }";
    let attempt = attempt("mail", connection);
    for (to, expected) in [
        (
            json!([]),
            "nobody is named: add `to` to the task or to the connection",
        ),
        (json!("nobody"), "`nobody` is no address"),
    ] {
        let task = json!({ "connection": "mail", "text": "x", "to": to });
        let failure = attempt.run(kind(), &task).await.unwrap_err();
        assert_eq!(&*failure.cause.message, expected);
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certified.cert.der().clone()],
            PrivateKeyDer::Pkcs8(key),
        )
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(None, Some(tls)).await;
    let task = json!({ "connection": "mail", "text": "x" });
    for (ca, taken) in [("", false), (", ca: ca.pem", true)] {
        let connection = format!(
            "smtp: {{ host: localhost, port: {}, tls: implicit, from: runner@example.com, \
             to: ops@example.com{ca} }}",
            server.port
        );
        let attempt = attempt("mail", &connection).file("ca.pem", certified.cert.pem());
        let done = attempt.run(kind(), &task).await;
        assert_eq!(done.is_ok(), taken, "{done:?}");
    }
    assert_eq!(
        server.lines().iter().filter(|line| *line == "DATA").count(),
        1
    );
}

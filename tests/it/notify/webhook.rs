//! Messages to a URL.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{attempt, kind};

/// A request as it came: its head's lines, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: Vec<String>,
    pub(crate) body: Json,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A server that keeps what is posted to it. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Answers with these statuses, one after the other, the last for ever.
    pub(crate) async fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/services/T0/B0/token",
            listener.local_addr().unwrap()
        );
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let at = kept.lock().unwrap().len();
                let status = statuses[at.min(statuses.len() - 1)];
                if let Some(request) = answer(stream, status).await {
                    kept.lock().unwrap().push(request);
                }
            }
        });
        Self {
            url,
            requests,
            serving,
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(stream: TcpStream, status: u16) -> Option<Request> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let request = Request {
        head,
        body: Json::Null,
    };
    let length: usize = request.header("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    stream.write_all(answer.as_bytes()).await.ok()?;
    Some(Request {
        body: serde_json::from_slice(&body).ok()?,
        ..request
    })
}

#[tokio::test]
async fn a_message_is_posted_as_chats_take_it() {
    for (task, expected) in [
        (
            json!({ "text": "{{ run.dag }} is \"done\"" }),
            json!({ "text": "dag is \"done\"" }),
        ),
        (
            json!({
                "title": "Loaded", "text": "all", "fields": { "rows": 3, "run": "{{ run.dag }}" },
                "channel": "#{{ run.dag }}",
            }),
            json!({ "text": "*Loaded*\nall\n• rows: 3\n• run: dag", "channel": "#dag" }),
        ),
        (
            json!({ "json": { "content": "{{ run.dag }}", "n": [1, "{{ 1 + 1 }}"] } }),
            json!({ "content": "dag", "n": [1, 2] }),
        ),
    ] {
        let server = Server::start(&[200]).await;
        let connection = format!(
            "webhook: {{ url: \"{}\", headers: {{ X-Token: a-long-secret-token }} }}",
            server.url
        );
        let attempt = attempt("ops", &connection);
        let mut task = task;
        task["connection"] = json!("ops");
        let output = attempt.run(kind(), &task).await.unwrap();
        assert_eq!(output.outputs["taken"], true);
        let requests = server.requests();
        let [request] = requests.as_slice() else {
            panic!("{requests:?}")
        };
        assert_eq!(request.body, expected);
        assert_eq!(request.head[0], "POST /services/T0/B0/token HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-token"), Some("a-long-secret-token"));
        let key = request.header("idempotency-key").unwrap();
        assert!(key.ends_with("/task/0"), "{key}");
        let log = attempt.log().join("\n");
        assert!(
            log.contains("told the webhook, which answered 200"),
            "{log}"
        );
        for secret in ["T0/B0/token", "a-long-secret-token"] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_not_taken_fails_the_task_unless_it_is_not_required() {
    let server = Server::start(&[404]).await;
    let attempt = attempt("ops", &format!("webhook: \"{}\"", server.url));
    let mut task = json!({ "connection": "ops", "text": "x" });
    let failure = attempt.run(kind(), &task).await.unwrap_err();
    assert_eq!(failure.cause.kind, runner::model::FailureKind::Permanent);
    let message = attempt.context().log.mask(&failure.cause.message);
    assert!(message.contains("404"), "{message}");
    assert!(!message.contains("T0/B0/token"), "{message}");
    task["required"] = json!(false);
    let output = attempt.run(kind(), &task).await.unwrap();
    assert_eq!(output.outputs["taken"], false);
    let log = attempt.log().join("\n");
    assert!(log.contains("warn  the message wasn't taken: "), "{log}");
}

#[tokio::test]
async fn nobody_there_is_worth_another_attempt() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let attempt = attempt(
        "ops",
        &format!("webhook: \"http://{address}/a-very-long-token\""),
    );
    let task = json!({ "connection": "ops", "text": "x" });
    let failure = attempt.run(kind(), &task).await.unwrap_err();
    assert_eq!(failure.cause.kind, runner::model::FailureKind::Retryable);
}

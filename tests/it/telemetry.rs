//! Traces and logs, as a collector gets them: read from the wire by the numbers of OTLP's fields,
//! without the code that wrote them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runner::model::Timestamp;
use runner::secret::Environment;
use runner::telemetry::{Span, Telemetry, dropped};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::kill::project::Project;
use crate::support::eventually::{eventually, so};

/// What was posted.
#[derive(Debug, Clone)]
struct Posted {
    path: String,
    head: String,
    body: Vec<u8>,
}

/// How a collector answers.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// The first request of each kind has to come again.
    Busy,
    /// Never.
    Silent,
}

struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Posted>>>,
}

impl Collector {
    async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let (all, refused) = (taken.clone(), Arc::new(Mutex::new(Vec::new())));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, all.clone(), refused.clone()));
            }
        });
        Self { address, taken }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn taken(&self, path: &str) -> Vec<Posted> {
        let taken = self.taken.lock().unwrap();
        taken
            .iter()
            .filter(|one| one.path == path)
            .cloned()
            .collect()
    }
}

async fn serve(
    stream: TcpStream,
    manner: Manner,
    taken: Arc<Mutex<Vec<Posted>>>,
    refused: Arc<Mutex<Vec<String>>>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let answer = match manner {
            Manner::Silent => std::future::pending().await,
            Manner::Busy if !refused.lock().unwrap().contains(&path) => {
                refused.lock().unwrap().push(path);
                "503 Service Unavailable"
            }
            Manner::Busy => {
                taken.lock().unwrap().push(Posted { path, head, body });
                "200 OK"
            }
        };
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
    }
}

/// A message by the numbers of its fields.
#[derive(Debug, Default, Clone)]
struct Message(BTreeMap<u64, Vec<Field>>);

#[derive(Debug, Clone)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    fn read(mut bytes: &[u8]) -> Self {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let (first, rest) = bytes.split_first().expect("a number ends");
                *bytes = rest;
                value |= u64::from(first & 0x7f) << shift;
                shift += 7;
                if first & 0x80 == 0 {
                    return value;
                }
            }
        }
        let mut message = Self::default();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)),
                1 => {
                    let (number, rest) = bytes.split_at(8);
                    bytes = rest;
                    Field::Number(u64::from_le_bytes(number.try_into().unwrap()))
                }
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).unwrap();
                    let (part, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(part.to_vec())
                }
                other => panic!("wire type {other}"),
            };
            message.0.entry(key >> 3).or_default().push(field);
        }
        message
    }

    fn all(&self, field: u64) -> Vec<Message> {
        let parts = self.0.get(&field).into_iter().flatten();
        parts
            .map(|part| match part {
                Field::Bytes(bytes) => Message::read(bytes),
                Field::Number(_) => panic!("field {field} is a number"),
            })
            .collect()
    }

    fn bytes(&self, field: u64) -> Vec<u8> {
        match self.0.get(&field).map(Vec::as_slice) {
            Some([Field::Bytes(bytes)]) => bytes.clone(),
            other => panic!("field {field}: {other:?}"),
        }
    }

    fn text(&self, field: u64) -> String {
        String::from_utf8(self.bytes(field)).unwrap()
    }

    fn number(&self, field: u64) -> u64 {
        match self.0.get(&field).map(Vec::as_slice) {
            Some([Field::Number(number)]) => *number,
            other => panic!("field {field}: {other:?}"),
        }
    }

    /// `KeyValue`s as texts.
    fn attributes(&self, field: u64) -> BTreeMap<String, String> {
        let pairs = self.all(field).into_iter();
        pairs
            .map(|pair| {
                let value = pair.all(2).remove(0);
                let text = if value.0.contains_key(&1) {
                    value.text(1)
                } else {
                    value.number(3).to_string()
                };
                (pair.text(1), text)
            })
            .collect()
    }
}

/// Resources and records of all that was posted to a path.
fn records(collector: &Collector, path: &str) -> Vec<(BTreeMap<String, String>, Message)> {
    let mut records = Vec::new();
    for posted in collector.taken(path) {
        for of_resource in Message::read(&posted.body).all(1) {
            let resource = of_resource.all(1).remove(0).attributes(1);
            for scoped in of_resource.all(2) {
                assert_eq!(scoped.all(1).remove(0).text(1), "runner");
                let all = scoped.all(2).into_iter();
                records.extend(all.map(|record| (resource.clone(), record)));
            }
        }
    }
    records
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SETTINGS: &str = "connections: { kept: { sqlite: { secret: { file: kept.txt } } } }\n";

const PIPELINE: &str = r#"
dag: told
tasks:
  hello: { shell: "echo span $TRACEPARENT; cat kept.txt" }
  flaky:
    shell: "test -e again || { touch again; cat kept.txt >&2; exit 1; }"
    needs: hello
    retry: { attempts: 2, delay: 1ms }
"#;

const SECRET: &str = "kept-canary-secret";

#[tokio::test]
async fn a_run_is_a_trace_and_an_attempt_a_span() {
    let collector = Collector::new(Manner::Busy).await;
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/told.yaml", PIPELINE),
        ("kept.txt", "kept-canary-secret.db\n"),
        (".env", "OTEL_SERVICE_NAME=etl\n"),
    ]);
    let mut command = project.command(&["trigger", "told"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20key");
    let status = project.end_of(&mut command.spawn().unwrap()).await;
    assert!(status.success(), "{}", project.said());

    let spans = records(&collector, "/v1/traces");
    let said = || format!("{spans:#?}\n{}", project.said());
    assert_eq!(spans.len(), 4, "{}", said());
    let named = |name: &str| -> Vec<&Message> {
        let spans = spans.iter().map(|(_, span)| span);
        spans.filter(|span| span.text(5) == name).collect()
    };
    let (root, hello, flaky) = (named("told")[0], named("hello")[0], named("flaky"));
    for (resource, span) in &spans {
        assert_eq!(resource["service.name"], "etl");
        assert_eq!(span.bytes(1), root.bytes(1), "one trace");
        assert_eq!((span.bytes(1).len(), span.bytes(2).len()), (16, 8));
        assert!(span.number(7) <= span.number(8), "it ends after it began");
        assert!(span.number(7) >= root.number(7) && span.number(8) <= root.number(8));
        let attributes = span.attributes(9);
        assert_eq!(attributes["runner.dag"], "told");
        assert_eq!(attributes["runner.run"].len(), 17);
    }
    assert!(!root.0.contains_key(&4), "the run has no parent");
    assert_eq!(root.attributes(9)["runner.state"], "success");
    assert_eq!(root.attributes(9)["runner.trigger"], "manual");
    for attempt in [hello, flaky[0], flaky[1]] {
        assert_eq!(attempt.bytes(4), root.bytes(2));
        assert_eq!(attempt.attributes(9)["runner.kind"], "shell");
    }
    // The first try failed, and the second follows from it.
    let status = |span: &Message| span.all(15).remove(0).number(3);
    assert_eq!(
        [
            status(root),
            status(hello),
            status(flaky[0]),
            status(flaky[1])
        ],
        [1, 1, 2, 1]
    );
    assert_eq!(flaky[0].attributes(9)["runner.attempt"], "1");
    assert_eq!(flaky[1].attributes(9)["runner.attempt"], "2");
    assert!(
        flaky[0].attributes(9)["runner.error"].contains("exit"),
        "{}",
        said()
    );
    assert_eq!(flaky[1].all(13).remove(0).bytes(2), flaky[0].bytes(2));

    let lines = records(&collector, "/v1/logs");
    let greeting = lines.iter().map(|(_, line)| line);
    let text = |line: &Message| line.all(5).remove(0).text(1);
    let greeting = { greeting }
        .find(|line| text(line).starts_with("span "))
        .unwrap();
    // The script was told of the span that it belongs to, and its line says the same.
    let (trace, span) = (hello.bytes(1), hello.bytes(2));
    assert_eq!(
        text(greeting),
        format!("span 00-{}-{}-01", hex(&trace), hex(&span))
    );
    assert_eq!((greeting.bytes(9), greeting.bytes(10)), (trace, span));
    assert_eq!(
        (greeting.number(2), greeting.text(3)),
        (9, "INFO".to_owned())
    );
    assert_eq!(greeting.attributes(6)["log.iostream"], "stdout");
    assert_eq!(greeting.attributes(6)["runner.task"], "hello");
    assert!(lines.iter().any(|(_, line)| text(line).contains("***")));

    for posted in collector.taken.lock().unwrap().iter() {
        assert!(posted.head.contains("content-type: application/x-protobuf"));
        assert!(posted.head.contains("x-key: a key"));
        let secret = posted.body.windows(SECRET.len());
        assert!(
            !{ secret }.any(|part| part == SECRET.as_bytes()),
            "{}",
            posted.path
        );
    }
}

#[tokio::test]
async fn a_run_does_not_fail_with_its_collector() {
    // Nobody listens there any more.
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let silent = Collector::new(Manner::Silent).await;
    for endpoint in [format!("http://{address}"), silent.endpoint()] {
        let project = Project::new(&[("pipelines/one.yaml", "dag: one\ntasks: { a: {} }\n")]);
        let mut command = project.command(&["trigger", "one"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
        let status = project.end_of(&mut command.spawn().unwrap()).await;
        assert!(status.success(), "{}", project.said());
        assert!(
            project.said().contains("OpenTelemetry: "),
            "{}",
            project.said()
        );
    }
}

fn span(number: u32) -> Span {
    let at = Timestamp::UNIX_EPOCH;
    Span {
        trace: [1; 16],
        id: [2; 8],
        parent: None,
        name: format!("span {number}"),
        start: at,
        end: at,
        attributes: Vec::new(),
        links: Vec::new(),
        status: Ok(()),
    }
}

#[tokio::test]
async fn who_tells_never_waits_and_what_is_lost_is_counted() {
    let silent = Collector::new(Manner::Silent).await;
    let endpoint = silent.endpoint();
    let environment = Environment::from_pairs(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
    ]);
    let telemetry = Telemetry::begin(&environment);
    assert!(telemetry.wants_spans() && telemetry.wants_logs());
    let (began, before) = (Instant::now(), dropped());
    for number in 0..100_000 {
        telemetry.span(|| span(number));
    }
    // Nothing was awaited in between, so that nobody could have taken more than fit.
    assert_eq!(dropped() - before, 100_000 - 4);
    assert!(began.elapsed() < Duration::from_secs(5));
    // What was taken isn't delivered either.
    eventually(async || so(dropped() - before == 100_000, || dropped() - before)).await;
    let nobody = Telemetry::begin(&Environment::default());
    nobody.span(|| panic!("nobody wants it"));
    assert!(!nobody.wants_spans());
}

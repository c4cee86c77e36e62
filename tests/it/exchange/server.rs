//! An exchange for a test, and the plainest HTTP client there is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::eventually::DEADLINE;
use crate::support::postgres::runner;

/// A running `runner exchange`; it ends with the test.
pub(crate) struct TestExchange {
    process: Child,
    /// `127.0.0.1:40001`.
    pub(crate) address: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The connection ended before the body did.
    pub(crate) cut: bool,
}

impl TestExchange {
    /// Starts one that stands still at a time and lets clients ask as often as they like.
    pub(crate) fn at(time: &str) -> Self {
        Self::start(&["--clock", time, "--rate", "unlimited"])
    }

    /// Starts one with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(runner())
            .arg("exchange")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        while !line.starts_with("export ") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "no exchange");
        }
        let (_, rest) = line.split_once("http://").unwrap();
        let (address, _) = rest.split_once('/').unwrap();
        let address = address.to_owned();
        Self { process, address }
    }

    /// The base URL of an API: `http://127.0.0.1:40001/kraken`.
    pub(crate) fn url(&self, api: &str) -> String {
        format!("http://{}/{api}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(&self.address, "GET", path, "")
    }

    /// The JSON of an answer with status 200.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Sets the clock or the faults.
    pub(crate) fn put(&self, path: &str, body: &str) {
        let answer = ask(&self.address, "PUT", path, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

impl Drop for TestExchange {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Asks once, over a connection of its own.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: &str) -> Answer {
    let (head, mut reader) = begin(address, method, path, body);
    let mut answer = head;
    let length = answer
        .header("content-length")
        .map(|text| text.parse().unwrap());
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes);
    answer.cut = read.is_err() || length.is_some_and(|length: usize| bytes.len() < length);
    answer.body = String::from_utf8(bytes).unwrap();
    answer
}

/// Asks, and leaves the body to be read.
pub(super) fn begin(
    address: &str,
    method: &str,
    path: &str,
    body: &str,
) -> (Answer, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split_whitespace().nth(1).expect(path).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let answer = Answer {
        status,
        headers,
        body: String::new(),
        cut: false,
    };
    (answer, reader)
}

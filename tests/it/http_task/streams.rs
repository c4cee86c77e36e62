//! Answers that are far larger than memory should be.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::support::fault_server::{Act, FaultServer, head, ok};
use crate::support::postgres::runner;

/// Records of a piece, and pieces of the answer: more than the memory that is allowed.
const RECORDS: u64 = 500;
const PIECES: u64 = 2_200;

#[test]
fn a_large_answer_takes_little_memory() {
    let record = r#"{"id": 1234567, "base": "BTC", "target": "USD", "last": 67123.450000000001, "market": {"name": "Kraken", "id": "kraken"}}, "#;
    let piece = record.repeat(usize::try_from(RECORDS).unwrap());
    let start = r#"{"name": "all", "tickers": ["#;
    let end = r#"{"id": 0}], "total": 1}"#;
    let length = start.len() + end.len() + piece.len() * usize::try_from(PIECES).unwrap();
    assert!(length > 130_000_000);
    let (child, peak) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU64::new(0)));
    let seen = (child.clone(), peak.clone());
    let server = FaultServer::start(move |request| {
        if request.target == "/end" {
            // Now all of the answer is through.
            let (child, peak) = &seen;
            peak.store(peak_memory(child.load(Ordering::SeqCst)), Ordering::SeqCst);
            return ok("done");
        }
        let length = length.to_string();
        let headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", &*length),
        ];
        let mut first = head(200, &headers);
        first.extend_from_slice(start.as_bytes());
        vec![
            Act::Send(first),
            Act::Flood(piece.clone().into_bytes(), PIECES),
            Act::Send(end.as_bytes().to_vec()),
        ]
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("connections:\n  api: {{ http: \"{}\" }}\n", server.url());
    std::fs::write(folder.path().join("runner.yaml"), settings).unwrap();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    let pipeline = "dag: large
tasks:
  fetch:
    copy:
      from: { connection: api, get: /all, records: tickers }
      to: out.csv
      columns: [id, last]
  end:
    needs: fetch
    http: { connection: api, get: /end }
";
    std::fs::write(folder.path().join("pipelines/large.yaml"), pipeline).unwrap();
    let started = Command::new(runner())
        .args(["trigger", "large"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.store(started.id(), Ordering::SeqCst);
    let mut started = started;
    assert!(started.wait().unwrap().success());
    let peak = peak.load(Ordering::SeqCst);
    assert!(
        peak > 0 && peak < 100 << 20,
        "it has had {peak} bytes in memory"
    );
    let out = std::fs::read(folder.path().join("out.csv")).unwrap();
    let lines = memchr::memchr_iter(b'\n', &out).count() as u64;
    assert_eq!(lines, RECORDS * PIECES + 2);
}

/// Most bytes that a process has had in memory.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse()
        .unwrap();
    kib * 1024
}

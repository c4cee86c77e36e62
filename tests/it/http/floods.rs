//! Bodies larger than memory.

use std::process::Command;

use runner::connection::HttpError;

use super::around::{Stage, get};
use crate::support::fault_server::{Act, FaultServer, head};

const MIB: u64 = 1 << 20;

/// A body of 10 GB, made as it is sent.
fn ten_gigabytes(announced: bool) -> FaultServer {
    FaultServer::start(move |_| {
        let length = [("Content-Length", "10000000000")];
        let head = head(
            200,
            if announced {
                &length
            } else {
                &[("Connection", "close")]
            },
        );
        vec![Act::Send(head), Act::Flood(vec![b'x'; 100_000], 100_000)]
    })
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_it_comes() {
    let server = ten_gigabytes(true);
    let stage = Stage::new(&server.url(), "body_limit: 64MiB");
    let (error, _) = stage.failure(&get("/x")).await;
    assert!(
        error.message.contains("`body_limit`, 67108864 bytes"),
        "{error}"
    );
    assert!(!error.retryable);
}

#[tokio::test]
async fn what_is_read_at_once_has_its_own_limit() {
    let server = ten_gigabytes(false);
    let stage = Stage::new(&server.url(), "body_limit: 64MiB");
    // The stage reads a megabyte.
    let (error, _) = stage.failure(&get("/x")).await;
    assert!(
        error.message.contains("longer than the 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn ten_gigabytes_end_at_the_limit_in_bounded_memory() {
    let server = ten_gigabytes(false);
    // A process of its own, whose memory nobody else uses.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "http::floods::reads_until_the_limit",
            "--ignored",
            "--nocapture",
        ])
        .env("RUNNER_FLOOD", server.url())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    let peak: u64 = peak.expect("a peak").parse().unwrap();
    assert!(
        peak < 64 * MIB,
        "{peak} bytes of memory for a limit of 256 MiB"
    );
}

#[tokio::test]
#[ignore = "part of another test, in a process of its own"]
async fn reads_until_the_limit() {
    let url = std::env::vars().find(|(name, _)| name == "RUNNER_FLOOD");
    let (_, url) = url.expect("the server");
    let stage = Stage::new(&url, "body_limit: 256MiB");
    let mut response = stage.api.send(&get("/x"), &stage.sending).await.unwrap();
    let error: HttpError = loop {
        match response.body.chunk().await {
            Ok(chunk) => assert!(chunk.is_some(), "the body has no end"),
            Err(error) => break error,
        }
    };
    assert!(
        error.message.contains("`body_limit`, 268435456 bytes"),
        "{error}"
    );
    let received = response.body.received();
    assert!((255 * MIB..=256 * MIB).contains(&received), "{received}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    println!("\npeak {}", peak.parse::<u64>().unwrap() * 1024);
}

//! What a script prints.

use std::fs;

use runner::model::FailureKind::Retryable;
use serde_json::json;
use tokio::time::timeout;

use super::{LIMIT, assert_failure, run};
use crate::support::attempt::Attempt;

#[tokio::test]
async fn output_goes_to_the_log_line_by_line() {
    for (script, expected) in [
        ("true", vec![]),
        (
            "echo out; echo; printf part",
            vec!["out   out", "out   ", "out   part"],
        ),
        ("printf 'a\\377b\\n'", vec!["out   a\u{fffd}b"]),
        (
            "printf '\\033[31mred\\033[0m\\n'",
            vec!["out   \u{1b}[31mred\u{1b}[0m"],
        ),
        ("echo err >&2", vec!["err   err"]),
        ("exec >&- 2>&-; true", vec![]),
        (
            "echo my-password; printf 'x my-pass'; printf 'word\\n'",
            vec!["out   ***", "out   x ***"],
        ),
    ] {
        let attempt = Attempt::new().secret("my-password");
        run(&attempt, &json!(script)).await.unwrap();
        assert_eq!(attempt.log(), expected, "{script}");
    }
    let attempt = Attempt::new().secret("my-password");
    assert_failure(
        run(&attempt, &json!("echo no my-password >&2; exit 1")).await,
        Retryable,
        "exit code 1\nno ***",
    );
}

#[tokio::test]
async fn a_long_line_is_cut_but_no_secret_is() {
    // Secrets lie at every possible cut.
    let mut attempt = Attempt::new().secret("hidden-words");
    attempt.log_limit = 16 << 20;
    let attempt = attempt.file("line", "€hidden-words".repeat(70_000));
    for (script, copies) in [
        ("cat line", 1),
        ("cat line; echo; echo end", 1),
        ("cat line | tee /dev/stderr", 2),
    ] {
        fs::remove_file(attempt.folder().join(".runner/log.txt")).ok();
        run(&attempt, &json!(script)).await.unwrap();
        let log = attempt.log();
        assert!(log.iter().all(|line| line.len() <= 64 * 1024 + 6));
        for level in ["out   ", "err   "].iter().take(copies) {
            let text: String = log
                .iter()
                .filter_map(|line| line.strip_prefix(level))
                .collect();
            let text = text.strip_suffix("end").unwrap_or(&text);
            assert_eq!(text, "€***".repeat(70_000), "{script}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_and_holds_no_memory() {
    // In a process of its own, so that no other test's memory counts.
    let me = std::env::current_exe().unwrap();
    let child = tokio::process::Command::new(me)
        .args([
            "--exact",
            "shell::output::flood",
            "--ignored",
            "--nocapture",
        ])
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, child)
        .await
        .expect("the flood never ends")
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[tokio::test]
#[ignore = "run in a process of its own by the test above"]
async fn flood() {
    let attempt = Attempt::new();
    run(&attempt, &json!("echo warm")).await.unwrap();
    let before = peak_memory();
    for script in [
        "head -c 200000000 /dev/zero | tr '\\0' 'x'",
        "yes 0123456789 | head -c 200000000; yes err | head -c 20000000 >&2",
    ] {
        run(&attempt, &json!(script)).await.unwrap();
    }
    let grown = peak_memory() - before;
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    let log = attempt.log();
    assert_eq!(
        log.iter()
            .filter(|line| line.contains("the log is full at 1048576 bytes"))
            .count(),
        2
    );
    assert!(log.iter().map(String::len).sum::<usize>() < 3 << 20);
}

/// Most bytes that this process has had in memory.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib * 1024
}

//! `etl_ticker`: spreads to 1e-12, files by hour, alerts, and runs that are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::SecondsFormat;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::daemon::clock::now;
use serde_json::{Value, json};

use super::fixed::{FixedServer, documented};
use super::runs::{project, runner, runner_that_fails};
use crate::exchange::server::TestExchange;
use crate::support::eventually::{eventually_blocking, so};

/// All files of the bucket: path and lines.
fn files(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let root = folder.join("bucket");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            if !name.contains("/.") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.insert(name.to_owned(), text.lines().map(str::to_owned).collect());
            }
        }
    }
    files
}

fn ticker(created_at: &str, bid: &str, ask: &str) -> String {
    let mut answer: Value = serde_json::from_str(&documented("bitso_ticker")).unwrap();
    let payload = answer["payload"].as_object_mut().unwrap();
    payload.insert("created_at".to_owned(), json!(created_at));
    payload.insert("bid".to_owned(), json!(bid));
    payload.insert("ask".to_owned(), json!(ask));
    answer.to_string()
}

fn words<'a>(ticks: &'a str, period: &'a str) -> [&'a str; 8] {
    [
        "trigger",
        "etl_ticker",
        "-p",
        r#"books=["btc_mxn"]"#,
        "-p",
        ticks,
        "-p",
        period,
    ]
}

const HEADER: &str = "orderbook_timestamp,book,bid,ask,spread,observed_at";

#[test]
fn spreads_are_parted_by_hour_to_the_digit() {
    let next = AtomicUsize::new(0);
    let server = FixedServer::new(move |_| match next.fetch_add(1, Ordering::SeqCst) {
        0 => ticker("2026-08-20T22:59:59+00:00", "17.62", "17.64"),
        1 => ticker("2026-08-20T23:00:00+00:00", "1159350", "1160920"),
        2 => r#"{"success":false,"error":{"code":"0801","message":"too much"}}"#.to_owned(),
        3 => ticker("2026-08-20T23:59:59+00:00", "17.62", "17.64"),
        _ => ticker("2026-08-21T00:00:00+00:00", "17.62", "17.64"),
    });
    let folder = project();
    let url = server.url();
    let environment = [("BITSO_URL", url.as_str())];
    let output = runner(
        folder.path(),
        // Long enough that no tick is missed by a machine that has much else to do.
        &words("ticks=5", "period=1500ms"),
        &environment,
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = files(folder.path());
    let expected = [
        (
            "year=2026/month=08/day=20/hour=22",
            "17.62",
            0.113_378_684_807_256_24,
        ),
        (
            "year=2026/month=08/day=20/hour=23",
            "1159350",
            0.135_237_570_202_942_5,
        ),
        (
            "year=2026/month=08/day=20/hour=23",
            "17.62",
            0.113_378_684_807_256_24,
        ),
        (
            "year=2026/month=08/day=21/hour=00",
            "17.62",
            0.113_378_684_807_256_24,
        ),
    ];
    assert_eq!(found.len(), 3, "{found:?}\n{said}");
    let mut rows = Vec::new();
    for (path, lines) in &found {
        assert_eq!(lines[0], HEADER, "{path}");
        assert!(!lines[1..].contains(&HEADER.to_owned()));
        for line in &lines[1..] {
            rows.push((path, line.split(',').map(str::to_owned).collect::<Vec<_>>()));
        }
    }
    assert_eq!(rows.len(), 4, "{found:?}");
    let mut observed = BTreeSet::new();
    for ((path, cells), (hour, bid, spread)) in rows.iter().zip(expected) {
        assert_eq!(**path, format!("get_ticker/{hour}/book=btc_mxn/data.csv"));
        assert_eq!((cells[1].as_str(), cells[2].as_str()), ("btc_mxn", bid));
        let found: f64 = cells[4].parse().unwrap();
        assert!(
            ((found - spread) / spread).abs() < 1e-12,
            "{found} {spread}"
        );
        observed.insert(cells[5].clone());
    }
    assert_eq!(observed.len(), 4, "{observed:?}");
}

#[test]
fn a_run_without_any_answer_fails() {
    let server = FixedServer::new(|_| r#"{"success":false,"error":{"code":"0801"}}"#.to_owned());
    let folder = project();
    let url = server.url();
    let environment = [("BITSO_URL", url.as_str())];
    runner_that_fails(
        folder.path(),
        &words("ticks=3", "period=500ms"),
        &environment,
    );
    assert_eq!(files(folder.path()), BTreeMap::new());
}

#[test]
fn each_threshold_alerts_once_with_the_largest_spread() {
    let next = AtomicUsize::new(0);
    let server = FixedServer::new(move |_| {
        let created_at = now().to_rfc3339_opts(SecondsFormat::Secs, false);
        match next.fetch_add(1, Ordering::SeqCst) {
            0 => ticker(&created_at, "99.30", "100"),
            1 => ticker(&created_at, "99.20", "100"),
            _ => ticker(&created_at, "99.95", "100"),
        }
    });
    let hook = FixedServer::new(|_| "{}".to_owned());
    let folder = project();
    let (url, ops) = (server.url(), hook.url());
    let environment = [("BITSO_URL", url.as_str()), ("OPS_WEBHOOK", ops.as_str())];
    let go = || {
        runner(
            folder.path(),
            &words("ticks=4", "period=500ms"),
            &environment,
        )
    };
    go();
    let mut told = hook.bodies();
    told.sort();
    let texts: Vec<Value> = told
        .iter()
        .map(|body| serde_json::from_str(body).unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            json!({ "text": "btc_mxn: a spread of 0.8 %, above 0.1 %" }),
            json!({ "text": "btc_mxn: a spread of 0.8 %, above 0.5 %" }),
        ]
    );
    // Another run sees narrow spreads only, and nothing of what the first one has seen.
    go();
    assert_eq!(hook.bodies().len(), 2);
    // That nobody takes an alert is no failure.
    let nobody = [
        ("BITSO_URL", url.as_str()),
        ("OPS_WEBHOOK", "http://127.0.0.1:1/"),
    ];
    runner(
        folder.path(),
        &[
            "trigger",
            "etl_ticker",
            "-p",
            r#"books=["btc_mxn"]"#,
            "-p",
            "ticks=2",
            "-p",
            "period=1s",
            "-p",
            "thresholds=[0.01]",
        ],
        &nobody,
    );
}

/// The program while it works.
fn begin(folder: &Path, arguments: &[&str], url: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(arguments)
        .current_dir(folder)
        .env("BITSO_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn rows(files: &BTreeMap<String, Vec<String>>) -> BTreeMap<&str, Vec<&String>> {
    let mut rows: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (path, lines) in files {
        let book = path.rsplit('/').nth(1).unwrap();
        rows.entry(book).or_default().extend(&lines[1..]);
    }
    rows
}

/// Kills a program once both books have more rows than that; gives what is stored then.
fn kill_after(
    mut child: Child,
    folder: &Path,
    rows_before: usize,
) -> BTreeMap<String, Vec<String>> {
    eventually_blocking(|| {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        let files = files(folder);
        let rows = rows(&files);
        let is_more = rows.len() == 2 && rows.values().all(|rows| rows.len() > rows_before);
        so(is_more, || format!("more than {rows_before}: {files:?}"))
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    files(folder)
}

#[test]
fn a_killed_run_keeps_what_is_stored_and_goes_on() {
    let exchange = TestExchange::at("2026-08-20T12:34:56Z");
    let folder = project();
    let pipeline = folder.path().join("pipelines/etl_ticker.yaml");
    let text = std::fs::read_to_string(&pipeline).unwrap();
    assert!(text.contains("every: 10s"));
    std::fs::write(&pipeline, text.replace("every: 10s", "every: 500ms")).unwrap();
    let url = exchange.url("bitso");
    // Its ticks last for an hour: there are always some to come.
    let mut words: Vec<&str> = "trigger etl_ticker -p ticks=14400 -p period=250ms"
        .split(' ')
        .collect();
    let mut before = BTreeMap::new();
    for kills in 0..3 {
        let most = rows(&before).values().map(Vec::len).max().unwrap_or(0);
        let after = kill_after(begin(folder.path(), &words, &url), folder.path(), most);
        for (path, lines) in &before {
            // Rows stay as they are and where they are, and others come behind them.
            assert_eq!(after[path][..lines.len()], lines[..], "{path} {kills}");
        }
        for (book, rows) in rows(&after) {
            let times: BTreeSet<&str> = rows
                .iter()
                .map(|line| line.rsplit_once(',').unwrap().1)
                .collect();
            assert_eq!(times.len(), rows.len(), "{book} {kills}");
        }
        before = after;
        words = vec!["resume"];
    }
}

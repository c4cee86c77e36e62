//! What can only be seen from inside: query plans, and SQLite's own errors.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::begin;
use super::error::Place;
use super::open::Settings;
use super::past;
use super::row::get;
use super::statement::{self, Parts, list_runs};
use crate::store::StoreError;

fn settings(path: &Path) -> Settings {
    Settings {
        place: Place::new(path, Duration::from_millis(20)),
    }
}

async fn open(folder: &Path) -> SqliteConnection {
    settings(&folder.join("state.db")).open().await.unwrap()
}

async fn plan(connection: &mut SqliteConnection, text: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let rows = connection.fetch_all(explain).await.unwrap();
    rows.iter().map(|row| get(row, 3).unwrap()).collect()
}

/// Scans of what is always short, or is read only until a page is full.
const SHORT: [&str; 7] = [
    // Parameters.
    "VIRTUAL TABLE",
    // Only runs that have not ended are in it.
    "INDEX run_unfinished",
    // A queue, nearly always empty.
    "SCAN command",
    // A row of values.
    "SCAN CONSTANT ROW",
    "SCAN bound",
    // The rows of a parameter, made ready.
    "SCAN new",
    // People who may come in.
    "SCAN account",
];

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    let mut texts: Vec<String> = [
        statement::WRONG_OWNER,
        statement::FENCED,
        statement::UNKNOWN_VERSION,
        begin::ADD_VERSIONS,
        past::PAST,
        past::PINNED,
        past::REMOVE_VERSIONS,
        past::REMOVABLE,
        statement::VERSION,
        statement::ADD_COMMAND,
        statement::HAS_RUN,
        statement::COMMANDS,
        statement::FORGET_COMMAND,
        statement::ADOPT_UNFINISHED,
        statement::ADOPT_ONE,
        statement::OWNERS,
        statement::RUNS_BY_ID,
        statement::LOAD,
        statement::TASK_RUNS,
        statement::RESULTS,
        statement::ATTEMPTS,
        statement::ATTEMPTS_OF_TASK,
        statement::ITEMS,
        statement::LAST_ENDS,
        statement::ENDED_SINCE,
        statement::BEGUN_ELSEWHERE,
    ]
    .map(str::to_owned)
    .into();
    texts.extend(super::account::TEXTS.map(str::to_owned));
    let all = Parts {
        new_runs: true,
        owners: true,
        runs: true,
        expansions: true,
        tasks: true,
        attempts: true,
    };
    let changes = all.texts().flat_map(|text| text.split_inclusive(';'));
    texts.extend(changes.map(str::to_owned));
    for text in texts {
        for step in plan(&mut connection, &text).await {
            let short = SHORT.iter().any(|known| step.contains(known));
            assert!(!step.starts_with("SCAN") || short, "{text}\n{step}");
        }
    }
}

#[tokio::test]
async fn lists_come_in_order_from_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    for (dag, before, states) in [
        (false, false, &[][..]),
        (false, true, &[]),
        (true, false, &[]),
        (true, true, &[]),
        (false, false, &["failed"]),
        (true, true, &["failed"]),
        (false, true, &["failed", "success", "running"]),
        (true, true, &["failed", "success"]),
    ] {
        let text = list_runs(dag, before, states);
        for step in plan(&mut connection, &text).await {
            assert!(!step.contains("TEMP B-TREE"), "{text}\n{step}");
            let ordered = step.contains(" USING INDEX ") || !step.starts_with("SCAN");
            assert!(ordered, "{text}\n{step}");
        }
    }
    // A part of an id can be anywhere in it: all ids are read, but nothing else.
    let steps = plan(&mut connection, statement::FIND_RUNS).await;
    let scan: Vec<_> = steps.iter().filter(|s| s.starts_with("SCAN")).collect();
    assert_eq!(
        scan,
        ["SCAN run USING COVERING INDEX sqlite_autoindex_run_1"]
    );
}

#[tokio::test]
async fn the_bundled_sqlite_has_no_known_fault() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    let row = connection
        .fetch_one("SELECT sqlite_version()")
        .await
        .unwrap();
    let text: String = get(&row, 0).unwrap();
    let version: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= vec![3, 51, 3], "{text} can damage a log");
}

#[tokio::test]
async fn writes_are_synced_and_references_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    let number = async |connection: &mut SqliteConnection, pragma: &'static str| -> i64 {
        get(&connection.fetch_one(pragma).await.unwrap(), 0).unwrap()
    };
    assert_eq!(number(&mut connection, "PRAGMA synchronous").await, 2);
    assert_eq!(number(&mut connection, "PRAGMA foreign_keys").await, 1);
    assert_eq!(number(&mut connection, "PRAGMA busy_timeout").await, 20);
    let row = connection.fetch_one("PRAGMA journal_mode").await.unwrap();
    assert_eq!(get::<&str>(&row, 0).unwrap(), "wal");
}

#[tokio::test]
async fn a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    connection
        .execute("PRAGMA max_page_count = 1")
        .await
        .unwrap();
    let text = "INSERT INTO version VALUES ('h', 'd', '[]', hex(zeroblob(1000000)))";
    let error = connection.execute(text).await.unwrap_err();
    let place = Place::new(Path::new(".runner/state.db"), Duration::ZERO);
    let expected = StoreError::Unavailable {
        action: "written",
        message: "the disk of `.runner/state.db` is full; make room and try again".to_owned(),
    };
    assert_eq!(place.explain("written", &error), expected);
}

//! What can only be seen from inside: query plans, and SQLite's own errors.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::error::Place;
use super::open::Settings;
use super::row::get;
use super::statement::{self, list_runs};
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
const SHORT: [&str; 15] = [
    // Parameters.
    "VIRTUAL TABLE",
    // Only runs that have not ended are in it.
    "INDEX run_unfinished",
    // A queue, nearly always empty.
    "SCAN command",
    "SCAN call",
    "SCAN notice",
    // The rows of a parameter, made ready.
    "SCAN new",
    // People who may come in.
    "SCAN account",
    // A row a DAG, or a few.
    "SCAN schedule",
    "SCAN tally",
    // What is there outside.
    "SCAN thing",
    // A page, in the order of an index.
    "SCAN skipped USING INDEX skipped_last",
    "SCAN removed",
    // Values that the statement itself makes.
    "SCAN found",
    "SCAN bound",
    "CONSTANT ROW",
];

/// What is sorted: never more than a page, what belongs to one run, or a parameter.
const SORTED: [&str; 14] = [
    "statement::WRONG_OWNER",
    "statement::FENCED",
    "statement::UNKNOWN_VERSION",
    "statement::RUNS_BY_ID",
    "statement::ENDED_SINCE",
    "statement::LATEST_RUNS",
    "statement::TASK_TIMES",
    "statement::ATTEMPTS",
    "statement::ATTEMPTS_OF_TASK",
    "tally::AT_WORK",
    "notice::ALL",
    "past::FORGET_SKIPPED",
    "past::PINNED",
    "account::TEXTS",
];

/// Names and texts.
macro_rules! texts {
    ($($room:ident: $($name:ident)*;)*) => {
        vec![$($((
            concat!(stringify!($room), "::", stringify!($name)),
            super::$room::$name.to_owned(),
        ),)*)*]
    };
}

/// Every statement that doesn't depend on what is asked. Pages and API read with these and with
/// those of [`list_runs`], and with no others.
fn texts() -> Vec<(&'static str, String)> {
    texts! {
        statement: CHECK_OWNERS CHANGE_RUNS CLEAR_ITEMS ADD_ITEMS CHANGE_TASKS ADD_ATTEMPTS ADD_RUNS
            WRONG_OWNER FENCED UNKNOWN_VERSION VERSION ADD_COMMAND HAS_RUN COMMANDS
            FORGET_COMMAND ADOPT_UNFINISHED ADOPT_ONE OWNERS RUNS_BY_ID LAST_ENDS BEGUN_ELSEWHERE
            ENDED_SINCE LATEST_RUNS TASK_TIMES LOAD FIND_RUNS TASK_RUNS RESULTS ATTEMPTS ATTEMPTS_OF_TASK ITEMS
            SET_PAUSED SCHEDULES SKIPPED SKIPPED_OF_DAG;
        past: DAGS PAST REMOVABLE PINNED REMOVE_VERSIONS REMOVED FORGET FORGET_SKIPPED;
        tally: TALLIES AT_WORK;
        notice: END_FAILING ADD BEGIN_FAILING ALL FAILING TAKE COUNTED WINDOW HELD_BEFORE SET_WINDOW
            COUNT TRY SETTLE;
        outside: THINGS CALLS KEEP FORGET ADD_CALL FORGET_CALL;
        begin: TAKEN_TICK ADD_SKIPPED ADD_VERSIONS REMEMBER;
    }
}

#[test]
fn every_statement_is_looked_at() {
    let known: Vec<&str> = texts().iter().map(|(name, _)| *name).collect();
    // They read nothing.
    let left_out = ["BEGIN", "COMMIT", "ROLLBACK", "UNDO"];
    for (room, source) in [
        ("statement", include_str!("statement.rs")),
        ("past", include_str!("past.rs")),
        ("tally", include_str!("tally.rs")),
        ("notice", include_str!("notice.rs")),
        ("outside", include_str!("outside.rs")),
        ("begin", include_str!("begin.rs")),
        ("state", include_str!("state.rs")),
        ("order", include_str!("order.rs")),
    ] {
        for line in source.lines() {
            let constant = line
                .split_once("const ")
                .and_then(|(_, rest)| rest.split_once(": &str"));
            let Some((name, _)) = constant else { continue };
            let found = known.contains(&format!("{room}::{name}").as_str());
            assert!(found || left_out.contains(&name), "{room}::{name}");
        }
        assert!(
            !source.contains("query(\""),
            "a statement without a name in {room}.rs"
        );
    }
}

#[tokio::test]
async fn no_statement_reads_or_sorts_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    let mut all = texts();
    all.extend(super::account::TEXTS.map(|text| ("account::TEXTS", text.to_owned())));
    all.extend(super::past::REMOVE.map(|text| ("past::REMOVE", text.to_owned())));
    for (name, text) in all {
        for text in text
            .split_inclusive(';')
            .filter(|text| !text.trim().is_empty())
        {
            for step in plan(&mut connection, text).await {
                // A part of an id can be anywhere in it; see below.
                let short = name == "statement::FIND_RUNS"
                    || SHORT.iter().any(|known| step.contains(known));
                assert!(!step.starts_with("SCAN") || short, "{name}: {text}\n{step}");
                let sorts = step.contains("TEMP B-TREE");
                assert!(!sorts || SORTED.contains(&name), "{name}: {text}\n{step}");
            }
        }
    }
}

#[tokio::test]
async fn lists_come_in_order_from_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = open(folder.path()).await;
    let states = ["failed", "success", "running"];
    for way in 0..32 {
        let (dag, below, from) = (way & 1 > 0, way & 2 > 0, way & 4 > 0);
        let text = list_runs(dag, below, from, &states[..way / 8]);
        for step in plan(&mut connection, &text).await {
            assert!(!step.contains("TEMP B-TREE"), "{text}\n{step}");
            let ordered = step.contains(" USING INDEX ") || !step.starts_with("SCAN");
            assert!(ordered, "{text}\n{step}");
            // What is asked for is sought, and not passed by until it comes.
            let sought = ["dag=?", "id<?", "id>?"]
                .into_iter()
                .zip([dag, below, from])
                .all(|(condition, asked)| step.contains(condition) == asked);
            assert!(!step.contains("run USING") || sought, "{text}\n{step}");
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

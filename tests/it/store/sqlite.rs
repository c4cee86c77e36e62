//! What a file that several processes share has to promise besides.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use runner::model::{RunState, TaskState};
use runner::store::{RunFilter, RunStore, SqliteStore, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use super::values::{Stand, at, id, new_run, owner, run_is, task, version};

/// How the first released schema looks with a run in flight; see `docs/store.md`.
const VERSION_1: &str = include_str!("../../fixtures/store/v1.sql");

async fn raw(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    options.connect().await.unwrap()
}

async fn store(file: &Path) -> SqliteStore {
    let store = SqliteStore::open(file).await.unwrap();
    store.begin(&[version()], &[]).await.unwrap();
    store
}

#[tokio::test]
async fn two_handles_see_each_others_commits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let (one, two) = (store(&file).await, store(&file).await);
    one.begin(&[], &[new_run("r1")]).await.unwrap();
    let start = [run_is("r1", RunState::Running, 1)];
    two.commit(&owner("a"), &start).await.unwrap();
    for store in [&one, &two] {
        let run = store.load(&id("r1")).await.unwrap().unwrap();
        assert_eq!(run.state, RunState::Running);
    }
    let taken = two.adopt(&owner("a"), &owner("b"), None).await.unwrap();
    assert_eq!(taken.len(), 1);
    let late = one.commit(&owner("a"), &start).await.unwrap_err();
    assert!(matches!(late, StoreError::NotOwner { .. }), "{late}");
    one.close().await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_a_new_file_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        let opened = (0..8).map(|number| {
            let file = file.clone();
            tokio::spawn(async move {
                let store = store(&file).await;
                let run = new_run(&format!("r{number}"));
                store.begin(&[], &[run]).await.unwrap();
                store
            })
        });
        let stores = join_all(opened.collect::<Vec<_>>()).await;
        for store in stores {
            let store = store.unwrap();
            let runs = store.runs(&RunFilter::default()).await.unwrap();
            assert_eq!(runs.len(), 8);
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_lock_of_another_process_delays_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let store = Arc::new(store(&file).await);
    let mut other = raw(&file).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let waiting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.begin(&[], &[new_run("r1")]).await })
    };
    // Reading goes on meanwhile, and a read is time enough for the writer to begin to wait.
    for _ in 0..20 {
        assert_eq!(store.load(&id("r1")).await.unwrap(), None);
    }
    assert!(!waiting.is_finished());
    other.execute("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(store.load(&id("r1")).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_lock_held_too_long_is_an_error_that_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    store(&file).await.close().await;
    let store = SqliteStore::open_with(&file, Duration::from_millis(30)).await;
    let store = store.unwrap();
    let mut other = raw(&file).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = store.begin(&[], &[new_run("r1")]).await.unwrap_err();
    let file = file.display();
    assert_eq!(
        error.to_string(),
        format!(
            "the run state can't be written: another process has locked `{file}` for more than \
             0.03 s; end it (`fuser -v {file}` shows it) and try again"
        )
    );
    other.execute("ROLLBACK").await.unwrap();
    store.begin(&[], &[new_run("r1")]).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_an_end_without_goodbye() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    for number in 1..20 {
        let store = store(&file).await;
        if number == 1 {
            store.begin(&[], &[new_run("r1")]).await.unwrap();
        }
        let before = store.load(&id("r1")).await.unwrap().unwrap();
        let attempts = before.tasks.first().map_or(0, |task| task.attempts);
        assert_eq!(attempts, number - 1);
        let batch = [Stand::running(task(0), number, 1).of("r1")];
        store.commit(&owner("a"), &batch).await.unwrap();
    }
}

#[tokio::test]
async fn an_unfit_file_is_refused_with_what_to_do() {
    type Make = fn(&Path);
    let files: [(&str, Make, &str); 3] = [
        (
            "text",
            |file| std::fs::write(file, "no database at all, ".repeat(100)).unwrap(),
            "the run state is damaged: `FILE` is not an SQLite database; move it away to begin anew",
        ),
        (
            "folder",
            |file| std::fs::create_dir(file).unwrap(),
            "the run state can't be opened: `FILE` can't be opened; its folder must exist and be \
             writable for this user",
        ),
        (
            "missing/state.db",
            |_| (),
            "the run state can't be opened: `FILE` can't be opened; its folder must exist and be \
             writable for this user",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, make, expected) in files {
        let file = folder.path().join(name);
        make(&file);
        let error = SqliteStore::open(&file).await.err().unwrap().to_string();
        let error = error.replace(&*file.to_string_lossy(), "FILE");
        assert_eq!(error, expected, "{name}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    store(&file).await.close().await;
    let mut other = raw(&file).await;
    other.execute("PRAGMA user_version = 99").await.unwrap();
    let error = SqliteStore::open(&file).await.err().unwrap();
    assert!(
        matches!(error, StoreError::TooNew { found: 99, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_row_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let store = store(&file).await;
    store.begin(&[], &[new_run("r1")]).await.unwrap();
    let ready = [Stand::new(task(0), TaskState::Ready).of("r1")];
    store.commit(&owner("a"), &ready).await.unwrap();
    let mut other = raw(&file).await;
    let damage = "UPDATE task_run SET state = 'running'";
    other.execute(damage).await.unwrap();
    let expected = StoreError::Corrupt("a task run is `running` with nothing".to_owned());
    assert_eq!(store.load(&id("r1")).await, Err(expected.clone()));
    // An adoption that can't say what it took, takes nothing.
    let refused = store.adopt(&owner("a"), &owner("b"), None).await;
    assert_eq!(refused, Err(expected));
    store.commit(&owner("a"), &ready).await.unwrap();
    store.close().await;
}

/// The texts that lead from the first version to the newest.
fn steps_after_the_first() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite/migrations");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().skip(1).map(std::fs::read_to_string);
    texts.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn files_of_every_released_version_migrate() {
    let steps = steps_after_the_first();
    for number in 1..=steps.len() + 1 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        let mut old = raw(&file).await;
        old.execute(VERSION_1).await.unwrap();
        for step in &steps[..number - 1] {
            old.execute(AssertSqlSafe(step.clone())).await.unwrap();
        }
        let set = AssertSqlSafe(format!("PRAGMA user_version = {number}"));
        old.execute(set).await.unwrap();
        drop(old);

        let store = SqliteStore::open(&file).await.unwrap();
        let run = store.load(&id("r1")).await.unwrap().unwrap();
        assert_eq!(run.state, RunState::Running);
        assert_eq!(run.tasks, [Stand::running(task(0), 2, 1).0]);
        let batch = [Stand::running(task(0), 3, 9).of("r1")];
        store.commit(&owner("a"), &batch).await.unwrap();
        let attempts = store.attempts(&id("r1"), None).await.unwrap();
        assert_eq!(attempts[0].finished, at(4));
        store.close().await;

        // It has the schema that a new file has.
        let schema = async |file: &Path| -> Vec<String> {
            let mut connection = raw(file).await;
            let text = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
            let rows = connection.fetch_all(text).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        let new = folder.path().join("new.db");
        SqliteStore::open(&new).await.unwrap().close().await;
        assert_eq!(schema(&file).await, schema(&new).await);
    }
}

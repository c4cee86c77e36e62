//! `notifications`: what people are told without a task that does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;
use runner::daemon::clock::now;
use runner::daemon::{Host, HostParts, OwnerLock, is_alive};
use runner::model::RunState;
use runner::store::{MemoryStore, RunStore, SqliteStore};
use serde_json::Value as Json;

use super::webhook::Server;
use crate::support::project::{Scene, crash_after, scene};

/// Fails while there is no file `good`.
const WORK: &str = r#"
dag: work
tasks:
  fetch: { shell: "echo got 3 rows" }
  load: { needs: fetch, shell: "echo no route to db >&2; test -e $PWD/good" }
"#;

fn settings(server: &Server, rest: &str) -> String {
    format!(
        "connections: {{ ops: {{ webhook: \"{}\" }} }}\n{rest}",
        server.url
    )
}

fn project(settings: &str, work: &str) -> Scene {
    scene(&[("runner.yaml", settings), ("pipelines/work.yaml", work)])
}

/// Runs the pipeline in a host whose clock is ahead by so many minutes; how it ended.
async fn run(scene: &Scene, store: &Arc<dyn RunStore>, ahead: &Arc<AtomicI64>) -> RunState {
    let ahead = ahead.clone();
    let (news, _heard) = tokio::sync::mpsc::unbounded_channel();
    let mut host = Host::new(HostParts {
        project: scene.project.clone(),
        store: store.clone(),
        owner: OwnerLock::acquire(&scene.state()).unwrap(),
        clock: Arc::new(move || now() + TimeDelta::minutes(ahead.load(Ordering::Relaxed))),
        news,
    })
    .unwrap();
    let run = scene.run("work");
    let id = run.spec.id.clone();
    host.accept(run).await.unwrap();
    host.run_until_idle().await.unwrap();
    store.find_runs(id.as_str(), 1).await.unwrap()[0].state
}

/// What was posted, without what is new each time.
fn said(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let texts = requests.iter().map(|request| match &request.body["text"] {
        Json::String(text) => text.clone(),
        _ => request.body.to_string(),
    });
    texts.map(|text| steady(&text)).collect()
}

fn steady(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(at) = text.find("after ") {
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        text.replace_range(at..end, "after SOME TIME");
    }
    text
}

#[tokio::test]
async fn failures_and_the_recovery_are_told() {
    let server = Server::start(&[200]).await;
    let rest = "notifications: { failure: ops, recovery: ops, link: \"https://r.example.com/\" }\n";
    let scene = project(&settings(&server, rest), WORK);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let ahead = Arc::default();
    for good in [true, false, false, true, true] {
        let path = scene.folder.path().join("good");
        if good {
            std::fs::write(path, "").unwrap();
        } else if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
        let state = run(&scene, &store, &ahead).await;
        assert_eq!(state == RunState::Success, good);
    }
    assert_eq!(store.notices().await.unwrap(), []);
    let texts = said(&server);
    assert_eq!(texts.len(), 3, "{texts:#?}");
    insta::with_settings!({ filters => vec![
        (r"\b1[0-9a-z]{16}\b", "RUN"),
        (r"\d{2}:\d{2}:\d{2} ", "TIME "),
        (r"since 20\S+ \S+ UTC", "since THEN"),
    ] }, {
        insta::assert_snapshot!(texts.join("\n\n"));
    });
}

#[tokio::test]
async fn a_dag_has_its_own_words() {
    let server = Server::start(&[200]).await;
    let work = format!(
        "{WORK}params: {{ day: monday }}\n{}",
        r##"
notifications:
  failure:
    - { connection: ops, title: "{{ run.dag }} of {{ params.day }}", text: "{{ task.id }}, {{ failed | length }} in all, {{ event }}, held {{ held }}", channel: "#data" }
    - { connection: ops, json: { content: "{{ log }}" } }
    - { connection: ops, text: "{{ failed[7].id }}" }
  recovery: []
"##
    );
    let rest = "notifications: { failure: ops, recovery: ops }\n";
    let scene = project(&settings(&server, rest), &work);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let ahead = Arc::default();
    assert_eq!(run(&scene, &store, &ahead).await, RunState::Failed);
    let bodies: Vec<Json> = server.requests().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert_eq!(
        bodies[0],
        serde_json::json!({ "text": "*work of monday*\nload, 1 in all, failure, held 0", "channel": "#data" })
    );
    let log = bodies[1]["content"].as_str().unwrap();
    assert!(log.contains(" err   no route to db"), "{log}");
    assert!(!log.contains("202"), "the day is left out: {log}");

    std::fs::write(scene.folder.path().join("good"), "").unwrap();
    assert_eq!(run(&scene, &store, &ahead).await, RunState::Success);
    assert_eq!(server.requests().len(), 2, "nobody is told of the recovery");
    assert_eq!(store.notices().await.unwrap(), []);
}

#[tokio::test]
async fn too_many_are_held_back_and_counted() {
    let server = Server::start(&[200]).await;
    let rest =
        "notifications: { failure: { connection: ops, text: \"held {{ held }}\" }, limit: 2/h }\n";
    let scene = project(&settings(&server, rest), WORK);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let ahead = Arc::new(AtomicI64::new(0));
    for (minutes, told) in [
        (0, 1),
        (1, 2),
        (2, 2),
        (30, 2),
        (59, 2),
        (61, 3),
        (62, 4),
        (63, 4),
    ] {
        ahead.store(minutes, Ordering::Relaxed);
        assert_eq!(run(&scene, &store, &ahead).await, RunState::Failed);
        assert_eq!(server.requests().len(), told, "after {minutes} minutes");
    }
    let texts = said(&server);
    let held: Vec<&str> = texts
        .iter()
        .filter_map(|text| text.lines().nth(1))
        .collect();
    assert_eq!(held, ["held 0", "held 0", "held 3", "held 0"]);
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_and_given_up_without_harm() {
    for (statuses, requests) in [(&[503, 200][..], 2), (&[404][..], 1)] {
        let server = Server::start(statuses).await;
        let scene = project(
            &settings(&server, "notifications: { failure: ops }\n"),
            WORK,
        );
        let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
        let state = run(&scene, &store, &Arc::default()).await;
        assert_eq!(state, RunState::Failed);
        let posted = server.requests();
        assert_eq!(posted.len(), requests, "{statuses:?}");
        let keys: std::collections::BTreeSet<_> = posted
            .iter()
            .map(|r| r.header("idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 1, "the same message has the same key");
        assert_eq!(store.notices().await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_can_not_be_told_now_is_told_by_the_next() {
    let dead = Server::start(&[503]).await;
    let scene = project(&settings(&dead, "notifications: { failure: ops }\n"), WORK);
    let path = scene.state().join("state.db");
    let store: Arc<dyn RunStore> = Arc::new(SqliteStore::open(&path).await.unwrap());
    assert_eq!(run(&scene, &store, &Arc::default()).await, RunState::Failed);
    let left = store.notices().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].tries, 2);
    assert!(!is_alive(&scene.state(), &left[0].owner));

    // The next one in the project: another process, and the webhook is there again.
    let server = Server::start(&[200]).await;
    let text = settings(&server, "notifications: { failure: ops }\n");
    std::fs::write(scene.folder.path().join("runner.yaml"), text).unwrap();
    let scene = Scene {
        project: crate::support::project::load(scene.folder.path()),
        ..scene
    };
    let (mut host, _news) = scene.host(store.clone());
    host.run_until_idle().await.unwrap();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(store.notices().await.unwrap(), []);
}

/// Polls a host so many times, then drops it as a crash would: the message comes all the same.
#[tokio::test]
async fn a_crash_loses_no_message() {
    let mut twice = 0;
    for polls in (0..60).step_by(2) {
        let server = Server::start(&[200]).await;
        let scene = project(
            &settings(&server, "notifications: { failure: ops }\n"),
            WORK,
        );
        let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
        let (mut host, _news) = scene.host(store.clone());
        let dead = host.owner().clone();
        host.accept(scene.run("work")).await.unwrap();
        crash_after(host, polls).await;
        scene.go_on(store.clone(), &dead, None).await;
        let requests = server.requests();
        let keys: std::collections::BTreeSet<_> = requests
            .iter()
            .map(|r| r.header("idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 1, "after {polls} polls");
        assert!(
            requests.len() <= 2,
            "after {polls} polls: {}",
            requests.len()
        );
        twice += requests.len() - 1;
        assert_eq!(store.notices().await.unwrap(), [], "after {polls} polls");
    }
    eprintln!("told twice: {twice}");
}

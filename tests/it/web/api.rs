//! The API: what programs ask, and what they are told.

mod access;
mod runs;

use runner::daemon::OwnerLock;
use runner::daemon::clock::random;
use runner::daemon::schedule::DaemonLock;
use runner::model::{DagId, DataInterval, Json, RunId, RunSpec, TriggerKind};
use runner::store::{NewRun, Owner, Role, RunStore as _};
use runner::web::openapi;
use serde_json::{Value, json};

use super::{Ask, Reply, Site};

/// A daemon that takes everything and does nothing.
struct Idle {
    _lock: DaemonLock,
    _bell: tokio::net::unix::pipe::Receiver,
    owner: OwnerLock,
}

impl Idle {
    fn of(site: &Site) -> Self {
        let state = site.folder.path().join(".runner");
        let owner = OwnerLock::acquire(&state).unwrap();
        Self {
            _bell: owner.bell().unwrap(),
            _lock: DaemonLock::acquire(&state, owner.owner()).unwrap(),
            owner,
        }
    }
}

/// Runs of a DAG, as if somebody had begun them.
async fn runs(site: &Site, dag: &str, count: u32) -> Vec<RunId> {
    let pipeline = site.app.snapshot().project.as_ref().unwrap().pipelines[dag].clone();
    site.store
        .begin(std::slice::from_ref(&pipeline.version), &[])
        .await
        .unwrap();
    let now = site.now();
    let spec = |at| RunSpec {
        id: RunId::generate(now, at),
        dag: DagId::new(dag).unwrap(),
        version: pipeline.version.hash.clone(),
        params: Json("{}".into()),
        interval: DataInterval {
            start: now,
            end: now,
        },
        logical_time: now,
        trigger: TriggerKind::Manual,
        seed: random(),
        priority: 0,
        only: None,
        created: now,
    };
    let new = (0..count).map(|at| NewRun {
        spec: spec(u64::from(at)),
        owner: Owner("1-gone".to_owned()),
    });
    let new: Vec<NewRun> = new.collect();
    site.store.begin(&[], &new).await.unwrap();
    new.into_iter().map(|run| run.spec.id).collect()
}

async fn get(site: &Site, token: &str, path: &str) -> Reply {
    Ask::new("GET", path).bearer(token).send(site).await
}

async fn post(site: &Site, token: &str, path: &str, body: &Value) -> Reply {
    let ask = Ask::new("POST", path).bearer(token).json(body);
    ask.send(site).await
}

#[tokio::test]
async fn dags_are_listed_and_shown() {
    let site = Site::new().await;
    let token = site.token(Role::Viewer, None).await;
    let list = get(&site, &token, "/api/v1/dags").await.json();
    let names: Vec<&str> = list["dags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dag| dag["dag"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["daily", "hello"]);
    assert_eq!(list["dags"][0]["next_run"], "2026-08-21T06:00:00Z");
    let first = get(&site, &token, "/api/v1/dags?limit=1").await.json();
    assert_eq!(first["next"], "daily");
    let second = get(&site, &token, "/api/v1/dags?limit=1&cursor=daily").await;
    let second = second.json();
    assert_eq!(
        (&second["dags"][0]["dag"], &second["next"]),
        (&json!("hello"), &Value::Null)
    );
    let tagged = get(&site, &token, "/api/v1/dags?tag=demo").await.json();
    assert_eq!(tagged["dags"].as_array().unwrap().len(), 1);
    let hello = get(&site, &token, "/api/v1/dags/hello").await.json();
    assert_eq!(hello["tasks"][1]["needs"], json!(["greet"]));
    assert_eq!(hello["params"][1]["schema"], json!({ "type": "integer" }));
}

#[tokio::test]
async fn mistakes_are_problems_that_say_how_to_mend_them() {
    let site = Site::new().await;
    let token = site.token(Role::Operator, None).await;
    let cases = [
        (
            "GET",
            "/api/v1/dags/helo",
            json!(null),
            404,
            "did you mean `hello`?",
        ),
        ("GET", "/api/v1/dags?limit=0", json!(null), 400, ""),
        ("GET", "/api/v1/dags?limit=1001", json!(null), 400, ""),
        ("GET", "/api/v1/dags?colour=red", json!(null), 400, ""),
        ("GET", "/api/v1/runs?state=done", json!(null), 400, ""),
        ("GET", "/api/v1/runs?cursor=..%2f..", json!(null), 400, ""),
        ("GET", "/api/v1/runs/none", json!(null), 404, ""),
        ("GET", "/api/v1/runs/none/tasks/a/log", json!(null), 404, ""),
        (
            "POST",
            "/api/v1/dags/hello/runs",
            json!({ "parms": {} }),
            400,
            "",
        ),
        (
            "POST",
            "/api/v1/dags/hello/runs",
            json!({ "params": { "nam": 1 } }),
            422,
            "",
        ),
        (
            "POST",
            "/api/v1/dags/hello/runs",
            json!({ "params": { "count": "many" } }),
            422,
            "",
        ),
        (
            "POST",
            "/api/v1/dags/hello/runs",
            json!({ "only": ["gret"] }),
            404,
            "did you mean `greet`?",
        ),
        (
            "POST",
            "/api/v1/dags/hello/runs",
            json!({ "data_interval": "x" }),
            422,
            "",
        ),
        (
            "POST",
            "/api/v1/dags/hello/runs",
            json!({}),
            503,
            "`runner schedule` does",
        ),
        ("POST", "/api/v1/dags/hello/runs", json!([1]), 400, ""),
        ("PUT", "/api/v1/dags/hello/paused", json!({}), 400, ""),
        (
            "PUT",
            "/api/v1/dags/helo/paused",
            json!({ "paused": true }),
            404,
            "",
        ),
        (
            "POST",
            "/api/v1/dags/hello/backfills",
            json!({ "from": "2026-01-01", "to": "2026-01-02" }),
            422,
            "`--every 1d` says how long they are",
        ),
    ];
    for (method, path, body, status, help) in cases {
        let mut ask = Ask::new(method, path).bearer(&token);
        if !body.is_null() {
            ask = ask.json(&body);
        }
        let reply = ask.send(&site).await;
        assert_eq!(
            reply.status, status,
            "{method} {path} {body}: {}",
            reply.body
        );
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{path}");
        let problem = reply.json();
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        if !help.is_empty() {
            assert_eq!(problem["help"], help, "{path}");
        }
    }
    let form = Ask::new("POST", "/api/v1/dags/hello/runs").bearer(&token);
    assert_eq!(form.form("params=1").send(&site).await.status, 415);
    let long = "x".repeat(1024 * 1024 + 1);
    let long = Ask::new("POST", "/api/v1/dags/hello/runs")
        .bearer(&token)
        .form(&long);
    assert_eq!(long.send(&site).await.status, 413);
}

/// All that the API has is described, all that is described is there, and the description in the
/// repository is this one.
#[test]
fn the_description_is_whole() {
    let api = openapi();
    for route in runner::web::routes().filter(|route| route.path.starts_with("/api/")) {
        let method = route.verb.as_str().to_ascii_lowercase();
        let operation = &api["paths"][route.path][method.as_str()];
        assert!(operation["summary"].is_string(), "{method} {}", route.path);
    }
    let text = api.to_string();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("#/components/schemas/") {
        let name = after.split('"').next().unwrap();
        assert!(api["components"]["schemas"][name].is_object(), "{name}");
        rest = after;
    }
    let mut ids: Vec<&str> = Vec::new();
    for path in api["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap());
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "every operation has a name of its own");
}

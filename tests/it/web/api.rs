//! The API: what programs ask, and what they are told.

use runner::daemon::OwnerLock;
use runner::daemon::clock::random;
use runner::daemon::schedule::DaemonLock;
use runner::model::{DagId, DataInterval, Json, RunId, RunSpec, TriggerKind};
use runner::store::{AccountStore as _, Claim, NewRun, Owner, Role, RunStore as _};
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

#[tokio::test]
async fn runs_come_in_parts_newest_first() {
    let site = Site::new().await;
    let token = site.token(Role::Viewer, None).await;
    let mut ids = runs(&site, "hello", 5).await;
    ids.reverse();
    let mut found = Vec::new();
    let mut path = "/api/v1/dags/hello/runs?limit=2".to_owned();
    loop {
        let part = get(&site, &token, &path).await.json();
        let runs = part["runs"].as_array().unwrap();
        assert!(runs.len() <= 2);
        found.extend(
            runs.iter()
                .map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        assert!(runs.iter().all(|run| run["interrupted"] == true));
        let Some(next) = part["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/dags/hello/runs?limit=2&cursor={next}");
    }
    let ids: Vec<&str> = ids.iter().map(RunId::as_str).collect();
    assert_eq!(found, ids);
    let none = get(&site, &token, "/api/v1/runs?state=failed,success").await;
    assert_eq!(none.json()["runs"], json!([]));
    let all = get(&site, &token, "/api/v1/runs").await.json();
    assert_eq!(all["runs"].as_array().unwrap().len(), 5);
    let shown = get(&site, &token, &format!("/api/v1/runs/{}", ids[0]))
        .await
        .json();
    let tasks = shown["tasks"].as_array().unwrap();
    assert_eq!((tasks[0]["task"].as_str(), tasks.len()), (Some("greet"), 2));
    let why = get(&site, &token, &format!("/api/v1/runs/{}/why", ids[0]))
        .await
        .json();
    assert_eq!(why["tasks"][0]["task"], "greet");
    let attempts = get(&site, &token, &format!("/api/v1/runs/{}/attempts", ids[0])).await;
    assert_eq!(attempts.json()["attempts"], json!([]));
}

#[tokio::test]
async fn a_key_gives_the_same_run() {
    let site = Site::new().await;
    let token = site.token(Role::Operator, None).await;
    let other = site.token(Role::Admin, None).await;
    let ask = |token: &str, body: Value| {
        Ask::new("POST", "/api/v1/dags/hello/runs")
            .bearer(token)
            .header("idempotency-key", "2026-08-20 nightly")
            .json(&body)
    };
    let body = json!({ "params": { "name": "ana" } });
    // Nobody carries it out, as when the server is killed before the run is there: the key is kept.
    assert_eq!(ask(&token, body.clone()).send(&site).await.status, 503);
    let asked = Claim {
        account: "operator".to_owned(),
        key: "2026-08-20 nightly".to_owned(),
        fingerprint: String::new(),
        run: String::new(),
        at: site.now(),
    };
    let kept = site.store.claim(&asked, site.now()).await.unwrap();
    let daemon = Idle::of(&site);
    let first = ask(&token, body.clone()).send(&site).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let run = first.json();
    assert_eq!(run["id"], kept.run);
    assert_eq!(run["params"], json!({ "name": "ana", "count": 3 }));
    let id = run["id"].as_str().unwrap();
    let place = format!("/api/v1/runs/{id}");
    assert_eq!(first.header("location"), Some(place.as_str()));
    let again = ask(&token, body.clone()).send(&site).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &run["id"]));
    let changed = ask(&token, json!({ "params": { "name": "ben" } }));
    assert_eq!(changed.send(&site).await.status, 422);
    // Keys are everybody's own.
    let theirs = ask(&other, body.clone()).send(&site).await;
    assert_eq!(theirs.status, 201);
    site.pass(chrono::TimeDelta::days(2));
    let later = ask(&token, body).send(&site).await;
    assert_eq!(later.status, 201);
    assert_ne!(later.json()["id"], run["id"]);
    let stored = site.store.load(&RunId::new(id).unwrap()).await.unwrap();
    assert_eq!(&stored.unwrap().owner, daemon.owner.owner());
}

#[tokio::test]
async fn two_at_the_same_moment_begin_one_run() {
    let site = Site::new().await;
    let token = site.token(Role::Operator, None).await;
    let _daemon = Idle::of(&site);
    let ask = Ask::new("POST", "/api/v1/dags/hello/runs")
        .bearer(&token)
        .header("idempotency-key", "one");
    let asked = (0..8).map(|_| ask.send(&site));
    let replies = futures_util::future::join_all(asked).await;
    let first = replies[0].json();
    for reply in &replies {
        assert!([200, 201].contains(&reply.status), "{}", reply.body);
        assert_eq!(reply.json()["id"], first["id"]);
    }
    let runs = get(&site, &token, "/api/v1/runs").await.json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn commands_are_left_for_who_carries_the_run_out() {
    let site = Site::new().await;
    let token = site.token(Role::Operator, None).await;
    let id = runs(&site, "hello", 1).await.remove(0);
    let cancel = format!("/api/v1/runs/{id}/cancel");
    let reply = post(&site, &token, &cancel, &json!({})).await;
    assert_eq!(
        reply.status, 503,
        "its process is gone, and nobody is there"
    );
    let daemon = Idle::of(&site);
    let owner = daemon.owner.owner();
    let reply = post(&site, &token, &cancel, &json!({})).await;
    assert_eq!(reply.status, 202, "told, not yet heard: {}", reply.body);
    let mark = json!({ "task": "greet", "outcome": "success" });
    let mark_path = format!("/api/v1/runs/{id}/mark");
    assert_eq!(post(&site, &token, &mark_path, &mark).await.status, 202);
    let retry = format!("/api/v1/runs/{id}/retry");
    let reply = post(&site, &token, &retry, &json!({ "tasks": ["after"] })).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let left = site.store.commands(owner).await.unwrap();
    let left: Vec<String> = left
        .iter()
        .map(|command| serde_json::to_string(&command.kind).unwrap())
        .collect();
    assert_eq!(
        left,
        [
            r#""cancel""#,
            r#"{"mark":{"task":0,"outcome":"success"}}"#,
            r#"{"retry":{"tasks":[1]}}"#
        ]
    );
    let reply = post(&site, &token, &retry, &json!({ "tasks": ["aftr"] })).await;
    assert_eq!(
        (reply.status, reply.json()["help"].as_str()),
        (404, Some("did you mean `after`?"))
    );
}

#[tokio::test]
async fn a_pause_holds_what_comes_next() {
    let site = Site::new().await;
    let token = site.token(Role::Operator, None).await;
    let put = Ask::new("PUT", "/api/v1/dags/daily/paused").bearer(&token);
    let reply = put.json(&json!({ "paused": true })).send(&site).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "paused": true, "changed": true }))
    );
    let dag = get(&site, &token, "/api/v1/dags/daily").await.json();
    assert_eq!(
        (&dag["paused"], &dag["next_run"]),
        (&json!(true), &Value::Null)
    );
    let why = get(&site, &token, "/api/v1/dags/daily/why").await.json();
    assert_eq!(why["waits_for"], "paused");
    let next = get(&site, &token, "/api/v1/next?dag=daily").await.json();
    assert_eq!(next["others"][0]["start"], "paused");
}

#[tokio::test]
async fn a_backfill_is_told_before_it_begins() {
    let site = Site::new().await;
    let token = site.token(Role::Operator, None).await;
    let body = json!({ "from": "2026-08-01", "to": "2026-08-08", "dry_run": true });
    let plan = post(&site, &token, "/api/v1/dags/daily/backfills", &body).await;
    let plan = plan.json();
    assert_eq!((&plan["begins"], &plan["total"]), (&json!(6), &json!(6)));
    assert_eq!(plan["intervals"][0]["fate"], "begins");
    assert_eq!(plan["intervals"][0]["start"], "2026-08-01T06:00:00Z");
    let body = json!({ "from": "2026-08-01", "to": "2026-08-08" });
    let reply = post(&site, &token, "/api/v1/dags/daily/backfills", &body).await;
    assert_eq!(reply.status, 503);
}

#[tokio::test]
async fn every_write_is_kept_with_who_did_it() {
    let site = Site::new().await;
    let admin = site.token(Role::Admin, None).await;
    let _daemon = Idle::of(&site);
    let begun = post(&site, &admin, "/api/v1/dags/hello/runs", &json!({})).await;
    let run = begun.json()["id"].as_str().unwrap().to_owned();
    let put = Ask::new("PUT", "/api/v1/dags/nothing/paused").bearer(&admin);
    put.json(&json!({ "paused": true })).send(&site).await;
    get(&site, &admin, "/api/v1/dags").await;
    let deeds = get(&site, &admin, "/api/v1/audit").await.json();
    let deeds: Vec<Value> = deeds["deeds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deed| {
            json!([
                deed["user"],
                deed["action"],
                deed["target"],
                deed["status"],
                deed["detail"]
            ])
        })
        .collect();
    assert_eq!(
        deeds,
        [
            json!([
                "admin",
                "PUT /api/v1/dags/{dag}/paused",
                "/api/v1/dags/nothing/paused",
                404,
                ""
            ]),
            json!([
                "admin",
                "POST /api/v1/dags/{dag}/runs",
                "/api/v1/dags/hello/runs",
                201,
                format!("run {run}")
            ]),
        ]
    );
}

#[tokio::test]
async fn tokens_are_made_limited_and_ended() {
    let site = Site::new().await;
    let admin = site.token(Role::Admin, None).await;
    site.account(Role::Viewer).await;
    let make = async |body: Value| post(&site, &admin, "/api/v1/tokens", &body).await;
    let beyond = make(json!({ "label": "ci", "user": "viewer", "scopes": ["run"] })).await;
    assert_eq!(beyond.status, 400);
    let made = make(json!({ "label": "ci", "scopes": ["read"], "expires": "1h" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, token) = (made.json()["id"].clone(), made.json()["token"].clone());
    let token = token.as_str().unwrap();
    let me = get(&site, token, "/api/v1/me").await.json();
    assert_eq!(
        me,
        json!({ "user": "admin", "role": "admin", "scopes": ["read"] })
    );
    assert_eq!(get(&site, token, "/api/v1/tokens").await.status, 403);
    let listed = get(&site, &admin, "/api/v1/tokens?user=admin").await;
    assert!(!listed.body.contains(token.rsplit('_').next().unwrap()));
    site.pass(chrono::TimeDelta::hours(2));
    assert_eq!(
        get(&site, token, "/api/v1/me").await.status,
        401,
        "it has expired"
    );
    let made = make(json!({ "label": "ci", "scopes": ["read"] }))
        .await
        .json();
    let (other, token) = (
        made["id"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    assert_ne!(id, other);
    let end = Ask::new("DELETE", &format!("/api/v1/tokens/{other}")).bearer(&admin);
    assert_eq!(end.send(&site).await.status, 204);
    assert_eq!(get(&site, token, "/api/v1/me").await.status, 401);
    assert_eq!(end.send(&site).await.status, 404);
    // A token is no session.
    let (cookie, _) = site.session(Role::Viewer).await;
    let session = cookie.split('_').nth(1).unwrap();
    let wrong = Ask::new("DELETE", &format!("/api/v1/tokens/{session}")).bearer(&admin);
    assert_eq!(wrong.send(&site).await.status, 404);
    assert!(site.store.access(session).await.unwrap().is_some());
}

#[tokio::test]
async fn a_webhook_is_called_by_who_knows_its_secret() {
    let order = "dag: order\ntrigger: { webhook: { secret: ORDERS_SECRET } }\ntasks:\n  keep: { shell: echo kept }\n";
    let files = [
        ("runner.yaml", "{}\n"),
        ("pipelines/order.yaml", order),
        (
            "pipelines/plain.yaml",
            "dag: plain\ntasks:\n  keep: { shell: echo kept }\n",
        ),
        (".env", "ORDERS_SECRET=one-of-many-secrets\n"),
    ];
    let site = Site::of(&files, false).await;
    let call = |dag: &str| {
        let ask = Ask::new("POST", &format!("/api/v1/dags/{dag}/webhook"));
        ask.json(&json!({ "order": 7 }))
    };
    let own = call("order").bearer("one-of-many-secrets");
    let reply = own.clone().header("idempotency-key", "7").send(&site).await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "call": "7" })));
    own.clone().header("idempotency-key", "7").send(&site).await;
    let calls = site.store.calls().await.unwrap();
    assert_eq!(calls.len(), 1, "the same call");
    assert!(
        calls[0].detail.0.contains(r#""order":7"#),
        "{}",
        calls[0].detail.0
    );
    assert!(!calls[0].detail.0.contains("one-of-many-secrets"));
    let admin = site.token(Role::Admin, None).await;
    for (ask, status) in [
        (call("order"), 401),
        (call("order").bearer("another"), 401),
        (call("order").bearer(&admin), 401),
        (call("plain").bearer("one-of-many-secrets"), 404),
        (call("none").bearer("one-of-many-secrets"), 404),
        (own.header("origin", "http://evil.example"), 403),
    ] {
        assert_eq!(ask.send(&site).await.status, status);
    }
    assert_eq!(site.store.calls().await.unwrap().len(), 1);
    let deeds = site.store.deeds(None, 10).await.unwrap();
    assert!(deeds.iter().all(|deed| deed.status == 202), "{deeds:?}");
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

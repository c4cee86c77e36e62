//! Runs over the API: listed, begun, changed.

use runner::model::RunId;
use runner::store::{AccountStore as _, Claim, Role, RunStore as _};
use serde_json::{Value, json};

use super::{Idle, get, post, runs};
use crate::web::{Ask, Site};

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

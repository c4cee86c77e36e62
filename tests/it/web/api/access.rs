//! Tokens, and what is kept of who did what.

use runner::store::{AccountStore as _, Role};
use serde_json::{Value, json};

use super::{Idle, get, post};
use crate::web::{Ask, Site};

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
    assert_eq!(beyond.status, 422);
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

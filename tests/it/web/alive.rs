//! Pages and API beside a daemon that carries runs out: the real program.

use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::process::Child;

use super::{Ask, Reply};
use crate::kill::project::Project;
use crate::support::eventually::eventually;

const SETTINGS: &str = r"
connections:
  kept: { sqlite: { secret: { file: kept.txt } } }
";

/// A task that says a secret in every way that it can, and one that waits for a file.
const PIPELINE: &str = r#"
dag: told
params: { name: world }
tasks:
  rows: { sql: { connection: kept, script: "select 1 as one, 'a' as letter" } }
  careless:
    shell:
      script: |
        secret=$(cat kept.txt)
        echo "log $secret"
        printf %s "$secret" | base64
        printf '{"said": "%s"}' "$secret" >"$RUNNER_OUTPUTS"
  wrong: { shell: "cat kept.txt >&2; exit 3", needs: careless, retries: 0 }
  slow: { shell: "echo waiting; until [ -e go ]; do sleep 0.05; done; echo gone on" }
"#;

const SECRET: &str = "kept-canary-secret";

pub(super) struct Served {
    pub(super) project: Project,
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

impl Served {
    async fn start() -> Self {
        Self::of(&[
            ("runner.yaml", SETTINGS),
            ("pipelines/told.yaml", PIPELINE),
            ("kept.txt", "kept-canary-secret.db\n"),
        ])
        .await
    }

    /// A project of files, with its daemon.
    pub(super) async fn of(files: &[(&str, &str)]) -> Self {
        let project = Project::new(files);
        let child = project.start(&["schedule", "--web", "127.0.0.1:0", "--grace", "1s"]);
        let said = || project.said();
        let address = eventually(async || {
            let said = said();
            let url = said.split("/sign-in?").next().filter(|rest| *rest != said);
            let url = url.and_then(|rest| rest.rsplit("http://").next());
            let url = url.and_then(|rest| rest.parse().ok());
            url.ok_or(said)
        });
        let address = address.await;
        let token = project.command(&["token", "add", "test", "--scope", "read,run,admin"]);
        let token = { token }.stdout(std::process::Stdio::piped()).output();
        let token = String::from_utf8(token.await.unwrap().stdout).unwrap();
        Self {
            child,
            address,
            token: token.trim().to_owned(),
            project,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        let ask = Ask::new("GET", path).bearer(&self.token);
        ask.send_to(self.address).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        let ask = Ask::new("POST", path).bearer(&self.token).json(body);
        ask.send_to(self.address).await
    }

    pub(super) async fn run_is(&self, id: &str, state: &str) -> Value {
        eventually(async || {
            let run = self.get(&format!("/api/v1/runs/{id}")).await.json();
            if run["state"] == state {
                return Ok(run);
            }
            Err(format!("{state}, not {run:#}\n{}", self.project.said()))
        })
        .await
    }

    /// What a command in the project prints.
    pub(super) async fn command_said(&self, arguments: &[&str]) -> String {
        let mut command = self.project.command(arguments);
        let output = command.stdout(std::process::Stdio::piped()).output();
        String::from_utf8(output.await.unwrap().stdout).unwrap()
    }

    pub(super) async fn end(mut self) {
        let process = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(process), Signal::SIGTERM).unwrap();
        self.project.end_of(&mut self.child).await;
    }
}

#[tokio::test]
async fn a_run_is_begun_watched_and_mended_over_http() {
    let served = Served::start().await;
    let begun = served.post("/api/v1/dags/told/runs", &json!({})).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let base = format!("/api/v1/runs/{id}");
    // The log is followed from before its end.
    eventually(async || {
        let log = served.get(&format!("{base}/tasks/slow/log")).await;
        if log.body.contains("waiting") {
            Ok(())
        } else {
            Err(log.body)
        }
    })
    .await;
    let follow = format!("{base}/tasks/slow/log?follow=true");
    let go = async {
        std::fs::write(served.project.root().join("go"), "").unwrap();
    };
    let (log, ()) = tokio::join!(served.get(&follow), go);
    assert_eq!(
        log.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(log.header("x-content-type-options"), Some("nosniff"));
    assert!(
        log.body.contains("waiting") && log.body.contains("gone on"),
        "{}",
        log.body
    );
    let run = served.run_is(&id, "failed").await;
    let states: Vec<&str> = run["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["state"].as_str().unwrap())
        .collect();
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 1);

    let size: u64 = log.header("x-log-size").unwrap().parse().unwrap();
    let end = served.get(&format!("{base}/tasks/slow/log?from=-8")).await;
    assert_eq!(end.body, "gone on\n");
    let window = served
        .get(&format!("{base}/tasks/slow/log?from=0&bytes=10"))
        .await;
    assert_eq!(
        (window.body.len(), window.header("x-log-from")),
        (10, Some("0"))
    );
    assert!(size > 10);

    let rows = served.get(&format!("{base}/tasks/rows/data")).await.json();
    assert_eq!(rows["rows"], json!([{ "one": 1, "letter": "a" }]));
    assert_eq!(rows["total"], 1);
    let csv = served
        .get(&format!("{base}/tasks/rows/data?format=csv"))
        .await;
    assert_eq!(csv.body.lines().collect::<Vec<_>>(), ["one,letter", "1,a"]);

    let mark = json!({ "task": "wrong", "outcome": "success" });
    let marked = served.post(&format!("{base}/mark"), &mark).await;
    assert_eq!(marked.status, 200, "{}", marked.body);
    served.run_is(&id, "success").await;
    let again = served.post(&format!("{base}/retry"), &json!({})).await;
    assert_eq!(again.status, 409, "nothing failed: {}", again.body);
    let cancel = served.post(&format!("{base}/cancel"), &json!({})).await;
    assert_eq!(cancel.status, 409);

    std::fs::remove_file(served.project.root().join("go")).unwrap();
    let retry = json!({ "tasks": ["slow"] });
    let retried = served.post(&format!("{base}/retry"), &retry).await;
    assert_eq!(retried.status, 200, "{}", retried.body);
    served.run_is(&id, "running").await;
    let cancel = served.post(&format!("{base}/cancel"), &json!({})).await;
    assert_eq!(cancel.status, 200, "{}", cancel.body);
    served.run_is(&id, "cancelled").await;
    served.end().await;
}

#[tokio::test]
async fn a_secret_is_seen_nowhere() {
    let served = Served::start().await;
    std::fs::write(served.project.root().join("go"), "").unwrap();
    let begun = served.post("/api/v1/dags/told/runs", &json!({})).await;
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let run = served.run_is(&id, "failed").await;
    let masked = run.to_string().matches("***").count();
    assert!(masked >= 2, "in an output and in an error: {run:#}");
    let base = format!("/api/v1/runs/{id}");
    let mut paths: Vec<String> = vec![
        "/".to_owned(),
        "/metrics".to_owned(),
        "/api/v1/dags/told".to_owned(),
        "/api/v1/dags/told/why".to_owned(),
        format!("{base}/attempts"),
        format!("{base}/why"),
    ];
    let public = runner::web::routes().filter(|route| {
        let fixed = !route.path.contains('{') && !route.stream;
        fixed && route.verb == runner::web::Verb::Get
    });
    paths.extend(public.map(|route| route.path.to_owned()));
    for task in ["rows", "careless", "wrong", "slow"] {
        paths.push(format!("{base}/tasks/{task}/log"));
    }
    // `secret` in base64, at each of the places where it can begin.
    let encoded = ["a2VwdC1jYW5hcnk", "tlcHQtY2FuYXJ5", "rZXB0LWNhbmFye"];
    for path in paths {
        let reply = served.get(&path).await;
        assert!(reply.status < 500, "{path}: {}", reply.body);
        for text in std::iter::once(SECRET).chain(encoded) {
            assert!(!reply.body.contains(text), "{path}: {}", reply.body);
        }
    }
    let careless = served.get(&format!("{base}/tasks/careless/log")).await;
    assert!(careless.body.contains("log ***"), "{}", careless.body);
    for name in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(served.project.state().join(name)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "{name}");
    }
    assert!(!served.project.said().contains(SECRET));
    served.end().await;
}

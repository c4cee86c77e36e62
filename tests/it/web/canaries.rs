//! Secrets that are planted wherever one can be, and looked for wherever one could come out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::web::{Route, Verb, routes};
use serde_json::{Value as Json, json};
use tokio::io::AsyncReadExt as _;

use super::{Ask, Reply};
use crate::kill::project::Project;
use crate::support::eventually::{DEADLINE, eventually};

/// Where each is planted. None has anything in common with another.
const CANARIES: &[(&str, &str)] = &[
    ("PG_CANARY", "kestrel-5b1f-in-a-url"),
    ("HEADER_CANARY", "osprey-77ac-in-a-header"),
    ("QUERY_CANARY", "merlin-9e02-in-a-query"),
    ("HOOK_CANARY", "condor-314d-in-a-path"),
    ("MAIL_CANARY", "falcon-c0de-of-a-mail-server"),
    ("CALLER_CANARY", "gannet-4f4f-of-a-caller"),
    ("TASK_TOKEN", "petrel-8a8b-of-a-task"),
    ("UNDECLARED_PASSWORD", "plover-1d2e-that-nobody-declares"),
    ("OIDC_CANARY", "curlew-6c6d-of-the-provider"),
];

const SETTINGS: &str = r#"
connections:
  pg: { postgres: "postgres://somebody:${PG_CANARY}@127.0.0.1:1/none" }
  api:
    http:
      base_url: "http://127.0.0.1:1/base"
      headers: { x-key: { secret: HEADER_CANARY } }
      query: { token: { secret: QUERY_CANARY } }
      tries: 1
  chat: { webhook: { url: "http://127.0.0.1:1/services/${HOOK_CANARY}" } }
  mail:
    smtp:
      host: 127.0.0.1
      port: 1
      username: somebody
      password: { secret: MAIL_CANARY }
      from: a@example.org
      to: b@example.org
notifications: { failure: [chat, mail] }
sign_in:
  issuer: http://127.0.0.1:1
  client_id: runner
  client_secret: { secret: OIDC_CANARY }
  viewer: staff
"#;

/// Each task says all that it knows, in each way that it can.
const PIPELINE: &str = r#"
dag: told
env: TASK_TOKEN
params: { text: "", other: "" }
trigger:
  webhook: { secret: CALLER_CANARY }
  params: { text: "{{ run.firing.body.text }}", other: "{{ run.firing.headers['x-other'] }}" }
defaults: { retries: 0 }
tasks:
  says:
    shell:
      env: { GIVEN: "{{ env.TASK_TOKEN }}", TEXT: "{{ params.text }} {{ params.other }}" }
      script: |
        . ./.env
        all="$GIVEN $TEXT $PG_CANARY $HEADER_CANARY $QUERY_CANARY $HOOK_CANARY $MAIL_CANARY"
        all="$all $CALLER_CANARY $UNDECLARED_PASSWORD $OIDC_CANARY"
        echo "plain $all"
        echo "failed $all" >&2
        for one in $all; do printf %s "a$one" | base64; printf %s "$one" | base64; done
        printf '{"said": "%s", "deep": [{"%s": 1}]}' "$all" "$all" >"$RUNNER_OUTPUTS"
  repeats: { needs: says, shell: { env: { SAID: "{{ tasks.says.outputs.said }}" }, script: "echo $SAID" } }
  fails: { needs: says, shell: ". ./.env; echo \"$PG_CANARY $TASK_TOKEN $OIDC_CANARY\" >&2; exit 3" }
  asks: { http: { connection: api, get: /things } }
  loads: { sql: { connection: pg, script: select 1 } }
  writes: { notify: { connection: chat, text: hello } }
"#;

/// A canary as it is, and the middle of it in base64, wherever it begins there.
fn forms(canary: &str) -> Vec<String> {
    let mut forms = vec![canary.to_owned()];
    for shift in 0..3 {
        let text = format!("{}{canary}", "a".repeat(shift));
        let encoded = super::provider::base64_padded(text.as_bytes());
        let length = text.len() / 3 * 4;
        forms.push(encoded[4.min(shift * 4)..length - 4].to_owned());
    }
    forms
}

struct Served {
    project: Project,
    child: tokio::process::Child,
    address: SocketAddr,
    token: String,
    looked: usize,
}

impl Served {
    async fn start() -> Self {
        let mut variables = String::new();
        for (name, canary) in CANARIES {
            variables.push_str(&format!("{name}={canary}\n"));
        }
        let project = Project::new(&[
            ("runner.yaml", SETTINGS),
            ("pipelines/told.yaml", PIPELINE),
            (".env", &variables),
        ]);
        let mut command = project.command(&["schedule", "--web", "127.0.0.1:0", "--grace", "1s"]);
        let child = command.env("RUNNER_LOG", "debug").spawn().unwrap();
        let address = eventually(async || {
            let said = project.said();
            let url = said.split("/sign-in?").next().filter(|rest| *rest != said);
            let url = url.and_then(|rest| rest.rsplit("http://").next());
            url.and_then(|rest| rest.parse().ok()).ok_or(said)
        });
        let address = address.await;
        let mut token = project.command(&["token", "add", "test", "--scope", "read,run,admin"]);
        let token = token.stdout(std::process::Stdio::piped()).output().await;
        let token = String::from_utf8(token.unwrap().stdout).unwrap();
        Self {
            project,
            child,
            address,
            token: token.trim().to_owned(),
            looked: 0,
        }
    }

    fn ask(&self, verb: &str, path: &str) -> Ask {
        Ask::new(verb, path).bearer(&self.token)
    }

    async fn send(&mut self, ask: Ask, what: &str) -> Reply {
        let reply = ask.send_to(self.address).await;
        self.look(&reply.raw, what);
        self.look(&reply.body, what);
        reply
    }

    /// Refuses a text with a canary in it.
    fn look(&mut self, text: &str, what: &str) {
        self.looked += 1;
        for (name, canary) in CANARIES {
            for form in forms(canary) {
                let at = text.find(&form);
                let around = at.map(|at| {
                    let from = text.floor_char_boundary(at.saturating_sub(200));
                    &text[from..text.ceil_char_boundary((at + 100).min(text.len()))]
                });
                assert!(
                    at.is_none(),
                    "{name} in {what}: …{}…",
                    around.unwrap_or_default()
                );
            }
        }
    }

    /// What a stream says until it is quiet.
    async fn listen(&mut self, path: &str) {
        let mut stream = self.ask("GET", path).open(self.address).await;
        let mut bytes = vec![0; 64 * 1024];
        let mut heard = String::new();
        // Until there is something, and then until there is no more for a while.
        let mut patience = DEADLINE;
        while let Ok(Ok(read)) = tokio::time::timeout(patience, stream.read(&mut bytes)).await {
            if read == 0 {
                break;
            }
            heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
            patience = Duration::from_millis(100);
        }
        let answered = ["HTTP/1.1 200", "HTTP/1.1 404"];
        assert!(
            answered.iter().any(|line| heard.starts_with(line)),
            "{path}: {heard}"
        );
        self.look(&heard, path);
    }

    async fn ends(&self, run: &str) -> Json {
        eventually(async || {
            let ask = self.ask("GET", &format!("/api/v1/runs/{run}"));
            let run = ask.send_to(self.address).await.json();
            match run["state"].as_str() {
                Some("failed") => Ok(run),
                _ => Err(format!("{run:#}")),
            }
        })
        .await
    }
}

/// A pattern with its names filled in.
fn path(route: &Route, run: &str, task: &str) -> String {
    route
        .path
        .replace("{dag}", "told")
        .replace("{run}", run)
        .replace("{task}", task)
        .replace("{file}", "page.js")
        .replace("{id}", "none")
        .replace("{number}", "1")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

#[tokio::test]
async fn a_secret_is_seen_nowhere() {
    let mut served = Served::start().await;
    let begun = served
        .ask("POST", "/api/v1/dags/told/runs")
        .json(&json!({}));
    let begun = served.send(begun, "a run").await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let first = begun.json()["id"].as_str().unwrap().to_owned();

    // A secret as a parameter would be kept with the run.
    let careless = json!({ "params": { "text": format!("a {} b", CANARIES[0].1) } });
    for path in ["/api/v1/dags/told/runs", "/api/v1/dags/told/backfills"] {
        let mut careless = careless.clone();
        if path.ends_with("backfills") {
            careless["from"] = json!("2026-08-01");
            careless["to"] = json!("2026-08-02");
            careless["every"] = json!("1d");
        }
        let ask = served.ask("POST", path).json(&careless);
        let reply = served.send(ask, path).await;
        assert_eq!(reply.status, 422, "{path}: {}", reply.body);
        assert!(
            reply.body.contains("parameter `text` has a secret in it"),
            "{}",
            reply.body
        );
    }

    // A caller who says his secret, and another one, wherever he can.
    let caller = CANARIES
        .iter()
        .find(|(name, _)| *name == "CALLER_CANARY")
        .unwrap()
        .1;
    let body = json!({ "text": format!("from {caller}"), "token": caller, "more": CANARIES[1].1 });
    let call = Ask::new("POST", "/api/v1/dags/told/webhook").bearer(caller);
    let call = call
        .header("x-other", caller)
        .header("cookie", caller)
        .json(&body);
    let called = served.send(call, "a call").await;
    assert_eq!(called.status, 202, "{}", called.body);
    let wrong = Ask::new("POST", "/api/v1/dags/told/webhook").bearer(&format!("{caller}x"));
    assert_eq!(served.send(wrong, "a wrong call").await.status, 401);
    let second = eventually(async || {
        let ask = served.ask("GET", "/api/v1/dags/told/runs");
        let runs = ask.send_to(served.address).await.json();
        let ids = runs["runs"].as_array().unwrap().iter();
        let mut ids = ids.filter_map(|run| run["id"].as_str());
        let other = ids.find(|id| *id != first).map(str::to_owned);
        other.ok_or_else(|| runs.to_string())
    })
    .await;

    let mut tasks = BTreeSet::new();
    for run in [&first, &second] {
        let run = served.ends(run).await;
        for task in run["tasks"].as_array().unwrap() {
            tasks.insert(task["task"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(tasks.len(), 6, "{tasks:?}");

    // It was said: otherwise nothing below means anything.
    let log = served.ask("GET", &format!("/api/v1/runs/{second}/tasks/says/log"));
    let log = served.send(log, "the log").await;
    let hidden = log
        .body
        .lines()
        .find(|line| line.contains("plain "))
        .unwrap();
    assert!(hidden.matches("***").count() >= CANARIES.len(), "{hidden}");

    // Everything that can be asked for.
    for route in routes().filter(|route| route.verb == Verb::Get) {
        for run in [first.clone(), second.clone()] {
            for task in &tasks {
                let path = path(route, &run, task);
                if route.stream {
                    if run == second {
                        served.listen(&path).await;
                    }
                    if !route.path.contains("{task}") {
                        break;
                    }
                    continue;
                }
                let ask = served.ask("GET", &path).header("accept", "text/html,*/*");
                let reply = served.send(ask, &path).await;
                let refused = !path.starts_with("/sign-in") && [401, 403].contains(&reply.status);
                assert!(!refused && reply.status != 500, "{path}: {}", reply.body);
                if !route.path.contains('{') {
                    break;
                }
            }
        }
    }
    // What is tried against the world says why it fails.
    for connection in ["pg", "api", "chat", "mail"] {
        let ask = served
            .ask("POST", "/connections")
            .form(&format!("name={connection}"));
        let reply = served.send(ask, "a trial of a connection").await;
        assert!(reply.status < 500, "{connection}: {}", reply.body);
    }
    // And everything that can be done.
    for route in routes().filter(|route| route.verb != Verb::Get) {
        let path = path(route, &first, "fails");
        let ask = served.ask(route.verb.as_str(), &path).json(&json!({}));
        let reply = served.send(ask, &path).await;
        assert!(reply.status != 500, "{path}: {}", reply.body);
    }

    // The command line says it no more than the pages.
    for words in [
        vec!["logs", "told", "says"],
        vec!["show", "told"],
        vec!["runs"],
        vec!["why", "told"],
        vec!["check"],
        vec!["check", "--live"],
        vec!["list"],
        vec!["notify", "chat"],
    ] {
        served.project.run(&words).await;
    }
    let process = i32::try_from(served.child.id().unwrap()).unwrap();
    kill(Pid::from_raw(process), Signal::SIGTERM).unwrap();
    served.project.end_of(&mut served.child).await;

    // What it has said itself, and all that it has left.
    let said = served.project.said();
    assert!(said.contains("serving pages"), "{said}");
    served.look(&said, "what the program says");
    let mut left = Vec::new();
    files(&served.project.state(), &mut left);
    assert!(
        left.iter().any(|path| path.ends_with("state.db")),
        "{left:?}"
    );
    for path in left {
        let bytes = std::fs::read(&path).unwrap();
        served.look(
            &String::from_utf8_lossy(&bytes),
            &path.display().to_string(),
        );
    }
    assert!(served.looked > 200, "{}", served.looked);
}

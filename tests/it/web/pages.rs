//! The pages, as a person reads them.

use runner::daemon::clock::clock;
use runner::daemon::{Host, HostParts, OwnerLock};
use runner::model::DataInterval;
use runner::store::Role;
use runner::web::{Needs, Verb, routes};
use tokio::sync::mpsc::unbounded_channel;

use super::{Ask, Reply, Site};
use crate::support::project::{load, new_run};

/// Names and texts that try to get out of their places.
const EVIL: &str = "<script>alert('x')</script>";

const FILES: &[(&str, &str)] = &[
    (
        "pipelines/shop.yaml",
        "dag: shop\ndescription: \"Orders <script>alert('x')</script>\"\nowner: \"<script>alert('x')</script>\"\n\
         tags: [\"<script>alert('x')</script>\"]\nschedule: \"@daily\"\n\
         params:\n  day: { type: date, default: 2026-08-20 }\n  size: { type: integer, default: 3, minimum: 1 }\n  \
         text: \"<script>alert('x')</script>\"\n  currency: { type: string, enum: [eur, usd], default: eur }\n\
         tasks:\n  load: { shell: \"echo \\\"<script>alert('x')</script>\\\"; printf '\\\\033[31mred\\\\033[0m\\\\n'\" }\n  \
         each: { needs: load, foreach: [1, 2, 3], shell: echo one }\n  \
         break: { needs: each, shell: \"echo \\\"<script>alert('x')</script>\\\" >&2; exit 7\" }\n  \
         after: { needs: break, shell: echo never }\n",
    ),
    (
        "pipelines/broken.yaml",
        "dag: broken\ntasks:\n  one: { shel: \"<script>alert('x')</script>\" }\n",
    ),
];

/// A site with a run of `shop` that has failed.
async fn site() -> (Site, String) {
    let site = Site::of(&FILES[..1], true).await;
    let run = carry_out(&site, "shop").await;
    let broken = site.folder.path().join(FILES[1].0);
    let mut changes = site.app.changes();
    std::fs::write(broken, FILES[1].1).unwrap();
    changes
        .wait_for(|snapshot| !snapshot.broken.is_empty())
        .await
        .unwrap();
    (site, run)
}

/// Carries a run of a DAG out, and gives its id.
pub(super) async fn carry_out(site: &Site, dag: &str) -> String {
    let project = load(site.folder.path());
    let mut run = new_run(project.pipelines[dag].clone());
    run.spec.interval = DataInterval {
        start: "2026-08-19T00:00:00Z".parse().unwrap(),
        end: "2026-08-20T00:00:00Z".parse().unwrap(),
    };
    let id = run.spec.id.to_string();
    let (news, _heard) = unbounded_channel();
    let parts = HostParts {
        project,
        store: site.store.clone(),
        owner: OwnerLock::acquire(&site.folder.path().join(".runner")).unwrap(),
        clock: clock(),
        news,
    };
    let mut host = Host::new(parts).unwrap();
    host.accept(run).await.unwrap();
    host.run_until_idle().await.unwrap();
    id
}

pub(super) async fn get(site: &Site, path: &str) -> Reply {
    let ask = Ask::new("GET", path).header("accept", "text/html");
    ask.send(site).await
}

/// What a person reads: the text without its markup.
pub(super) fn text(html: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    let text: Vec<&str> = text.split_whitespace().collect();
    text.join(" ").replace("&#x2f;", "/").replace("&#x27;", "'")
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_what_there_is() {
    let (site, run) = site().await;
    let run = format!("/runs/{run}");
    for (path, expected) in [
        (
            "/".to_owned(),
            &[
                "shop",
                "every day",
                "failed",
                "broken.yaml is broken",
                "exit code 7",
            ][..],
        ),
        ("/?q=nothing".to_owned(), &["No DAG is like that"]),
        ("/runs".to_owned(), &["shop", "by hand", "2026-08-19"]),
        ("/runs?state=success".to_owned(), &["No run is like that"]),
        (
            run.clone(),
            &[
                "break failed",
                "exit code 7",
                "3 items",
                "upstream failed",
                "Retry what failed",
            ],
        ),
        (
            format!("{run}/tasks/break"),
            &[
                "It failed",
                "exit code 7",
                "after each",
                "Run again from here",
                "As executed",
                "/bin/sh -e -c break",
            ],
        ),
        (format!("{run}/tasks/load"), &["success", "red"]),
        (format!("{run}/tasks/load?find=RED"), &["red"]),
        (
            format!("{run}/tasks/load?find=blue"),
            &["No line is like that"],
        ),
        (format!("{run}/tasks/each"), &["Items 3"]),
        (format!("{run}/tasks/each?item=1"), &["each[1]", "one"]),
        (
            "/dags/shop".to_owned(),
            &[
                "every day",
                "at least 1",
                "eur | usd",
                "pipelines/shop.yaml",
            ],
        ),
        ("/dags/shop/grid".to_owned(), &["load", "after", "✗"]),
        ("/dags/shop/past".to_owned(), &["1 of 1 run failed"]),
        (
            "/dags/shop/source".to_owned(),
            &["foreach: [1, 2, 3]", "1 of the latest runs"],
        ),
        (
            "/dags/broken/source".to_owned(),
            &["unknown key `shel`", "did you mean `shell`"],
        ),
        (
            "/dags/broken".to_owned(),
            &["pipelines/broken.yaml", "It hasn't run yet"],
        ),
        (
            "/dags/shop/trigger".to_owned(),
            &["currency", "at least 1", "No scheduler is here"],
        ),
        (
            "/dags/shop/backfill?from=2026-08-01&to=2026-08-04".to_owned(),
            &["3 of 3 intervals begin"],
        ),
        ("/schedule".to_owned(), &["shop", "1 run"]),
        ("/connections".to_owned(), &["The project has none"]),
        ("/audit".to_owned(), &["Nothing was done yet"]),
        ("/about".to_owned(), &["OpenAPI", "none: runner schedule"]),
        ("/sessions".to_owned(), &["Nobody is signed in"]),
    ] {
        let reply = get(&site, &path).await;
        assert_eq!(reply.status, 200, "{path}: {}", text(&reply.body));
        let told = text(&reply.body);
        for words in expected {
            assert!(told.contains(words), "{path} doesn't say {words}: {told}");
        }
        assert!(!reply.body.contains(EVIL), "{path} has let a script out");
        assert!(!told.contains("can't be shown"), "{path}: {told}");
        assert!(
            !reply.body.contains(" style="),
            "{path} has a style that the policy forbids"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isn_t_there_is_said_so() {
    let (site, run) = site().await;
    for path in [
        "/runs/none".to_owned(),
        format!("/runs/{run}/tasks/none"),
        format!("/runs/{run}/tasks/each?item=9"),
        format!("/runs/{run}/tasks/load/data"),
        format!("/runs/{run}/tasks/after/log"),
        "/dags/none".to_owned(),
        "/dags/none/source".to_owned(),
        "/dags/shop/source?version=none".to_owned(),
        "/asset/none.css".to_owned(),
    ] {
        let reply = get(&site, &path).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    assert_eq!(get(&site, "/dags/broken/trigger").await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_sent_whole_and_as_it_grows() {
    let (site, run) = site().await;
    let log = get(&site, &format!("/runs/{run}/tasks/load/log")).await;
    assert_eq!(
        log.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(log.header("x-content-type-options"), Some("nosniff"));
    assert!(
        log.body.contains(EVIL),
        "a log is sent as it is: {}",
        log.body
    );
    let stream = get(&site, &format!("/live/runs/{run}/tasks/load/log?from=0")).await;
    let events: Vec<&str> = stream
        .body
        .lines()
        .filter(|line| line.starts_with("event"))
        .collect();
    assert_eq!(events, ["event: lines", "event: ended"]);
    assert!(
        stream.body.contains("<span class=\"c1\">red</span>"),
        "{}",
        stream.body
    );
    assert!(!stream.body.contains(EVIL));
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_refuse_what_doesn_t_fit() {
    let (site, run) = site().await;
    let post = async |path: &str, form: &str| {
        let ask = Ask::new("POST", path).header("accept", "text/html");
        let ask = ask.header("origin", &site.origin());
        ask.form(form).send(&site).await
    };
    let wrong = post("/dags/shop/trigger", "param.size=0&param.currency=eur").await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.body.matches("aria-invalid=\"true\"").count(), 1);
    let interval = post("/dags/shop/trigger", "interval=yesterday").await;
    assert_eq!(interval.status, 422);
    assert!(text(&interval.body).contains("is no interval"));
    // Nobody is there to carry it out.
    for (path, form) in [
        ("/dags/shop/trigger".to_owned(), "param.size=2"),
        (
            "/dags/shop/backfill".to_owned(),
            "from=2026-08-01&to=2026-08-04",
        ),
        (format!("/runs/{run}/retry"), ""),
        (format!("/runs/{run}/mark"), "task=break&as=success"),
        (format!("/runs/{run}/cancel"), ""),
    ] {
        let reply = post(&path, form).await;
        assert_eq!(reply.status, 409, "{path}: {}", text(&reply.body));
    }
    assert_eq!(post("/dags/shop/pause", "").await.status, 303);
    assert!(text(&get(&site, "/dags/shop").await.body).contains("paused"));
    assert_eq!(post("/dags/shop/unpause", "").await.status, 303);
    assert!(!text(&get(&site, "/dags/shop").await.body).contains("paused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_see_no_button_that_they_may_not_press() {
    let site = Site::of(&FILES[..1], false).await;
    let (cookie, _) = site.session(Role::Viewer).await;
    let look = Ask::new("GET", "/dags/shop").header("accept", "text/html");
    let reply = look.header("cookie", &cookie).send(&site).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.body.contains("method=\"post\""), "{}", reply.body);
    let (cookie, csrf) = site.session(Role::Operator).await;
    let look = Ask::new("GET", "/dags/shop").header("accept", "text/html");
    let reply = look.header("cookie", &cookie).send(&site).await;
    let body = reply.body.replace("&#x2f;", "/");
    assert!(body.contains("action=\"/dags/shop/pause\""), "{body}");
    assert!(reply.body.contains(&csrf), "forms carry the session's word");
}

/// Nothing that writes is asked for by looking.
#[test]
fn pages_that_change_something_are_posts() {
    for route in routes().filter(|route| !route.path.starts_with("/api/")) {
        let writes = ["cancel", "retry", "mark", "pause", "unpause", "sign-out"];
        let last = route.path.rsplit('/').next().unwrap_or_default();
        if writes.contains(&last) {
            assert_eq!(route.verb, Verb::Post, "{}", route.path);
            assert_ne!(route.needs, Needs::Nothing, "{}", route.path);
        }
    }
}

//! Commands that look ahead and back: `next`, `why`, `simulate`, `timeline`.

use super::project::{Project, assert_still};

const INGEST: &str = r#"
dag: ingest
schedule: { cron: "0 */6 * * *", timezone: UTC }
deadline: 1h
tasks:
  fetch: { shell: "true", writes: prices }
  load: { needs: fetch, shell: "true", pool: db }
"#;
const REPORT: &str = r#"
dag: report
schedule: { cron: "30 2 * * *", timezone: Europe/Berlin }
deadline: 1h
tasks:
  build: { foreach: [1, 2, 3], shell: "true", pool: db }
  send: { needs: build, shell: "echo nobody there >&2; exit 1" }
  clean: { needs: send, shell: "true" }
  maybe: { if: "1 > 2", shell: "true" }
  then: { needs: maybe, shell: "true" }
"#;
const SUMMARY: &str = r#"
dag: summary
after: [ingest, prices]
tasks: { sum: { shell: "true" } }
"#;
const STREAM: &str = r#"
dag: stream
schedule: always
tasks: { go: { shell: "sleep 1000" } }
"#;
const HAND: &str = r#"
dag: hand
tasks: { go: { shell: "true" } }
"#;
const SETTINGS: &str = "pools: { db: 1 }\n";

fn check(name: &str, lines: &[&str]) {
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/ingest.yaml", INGEST),
        ("pipelines/report.yaml", REPORT),
        ("pipelines/summary.yaml", SUMMARY),
        ("pipelines/stream.yaml", STREAM),
        ("pipelines/hand.yaml", HAND),
    ]);
    assert_still!(name, project.transcript(lines));
}

#[test]
fn what_runs_next() {
    check(
        "next",
        &[
            // Over a change of the clocks: the night of 28 March 2027 has no 02:30 in Berlin.
            "next --from 2027-03-27 --until 2d",
            "next --from 2027-03-27 --dag report,hand -n 3",
            "next --from 2027-03-27 --dag report -n 1 --format json",
            "pause report",
            "next --from 2027-03-27 -n 2",
            "next --dag hand",
            "next --dag reprot",
            "next --until soon",
        ],
    );
}

#[test]
fn another_zone_shows_both_times() {
    let project = Project::new(&[("pipelines/report.yaml", REPORT), ("runner.yaml", SETTINGS)]);
    let mut command = project.runner("next --from 2027-03-27T00:00:00Z --dag report -n 3");
    let output = command.env("TZ", "America/New_York").output().unwrap();
    assert_still!(
        "next_in_new_york",
        String::from_utf8(output.stdout).unwrap()
    );
}

#[test]
fn why_something_runs_or_doesnt() {
    check(
        "why",
        &[
            "why summary",
            "why hand",
            "why stream",
            "pause report",
            "why report",
            "trigger report -q",
            "why latest",
            "why report send",
            "why report clean",
            "why report build",
            "why report nothing",
            "why nobody",
            "why latest --format json",
            "trigger ingest -q",
            "why ingest load",
            "why summary --format json",
        ],
    );
}

const FILES: &str = r#"
dag: import_orders
trigger: { file: "inbox/*.csv" }
tasks: { load: { shell: "true" } }
"#;
const SEVERAL: &str = r#"
dag: several
trigger:
  - { query: "select id\n from orders", connection: shop, key: id }
  - { topic: trades, connection: events, batch: 100 }
  - { file: "raw/*.json", connection: lake }
tasks: { load: { shell: "true" } }
"#;
const CALLED: &str = r#"
dag: take_order
trigger: { webhook: { secret: PATH } }
tasks: { take: { shell: "true" } }
"#;
const PLACES: &str = "\
connections:
  shop: { sqlite: shop.db }
  events: { kafka: \"localhost:9\" }
  lake: { bucket: lake/ }
";

#[test]
fn what_waits_for_something_outside() {
    let project = Project::new(&[
        ("runner.yaml", PLACES),
        ("pipelines/files.yaml", FILES),
        ("pipelines/several.yaml", SEVERAL),
        ("pipelines/called.yaml", CALLED),
    ]);
    let lines = [
        "list",
        "next",
        "why import_orders",
        "why several",
        "why take_order",
        "why take_order --format json",
        "show several",
        "check --live import_orders",
        "types webhook",
    ];
    assert_still!("outside", project.transcript(&lines));
}

#[test]
fn what_would_happen() {
    check(
        "simulate",
        &[
            "simulate --from 2027-03-27 --to 2d",
            "simulate --from 2027-03-27 --to 2d --durations 5m,report.build=3h,load=2h",
            "simulate --from 2027-03-27 --to 8h --dag ingest,summary --durations 7h --format json",
            "simulate --from 2027-03-27 --durations lod=3m",
            "simulate --from 2027-03-27 --durations long",
            "simulate --from 2027-03-27 --to 2027-03-26",
        ],
    );
}

#[test]
fn durations_come_from_history() {
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        (
            "pipelines/a.yaml",
            "dag: a\nschedule: \"@hourly\"\ntasks: { go: { shell: sleep 0.3 }, new: { shell: \"true\" } }\n",
        ),
    ]);
    let simulated = || -> serde_json::Value {
        let text = project.stdout("simulate --from 2027-03-27 --format json");
        serde_json::from_str(&text).unwrap()
    };
    let before = simulated();
    assert_eq!(before["guessed"], serde_json::json!(["a.go", "a.new"]));
    project.stdout("trigger a -q");
    let after = simulated();
    assert_eq!(after["guessed"], serde_json::json!([]));
    let finished = after["runs"][0]["finished"].as_str().unwrap();
    let finished: chrono::DateTime<chrono::Utc> = finished.parse().unwrap();
    let started = after["runs"][0]["started"].as_str().unwrap();
    let started: chrono::DateTime<chrono::Utc> = started.parse().unwrap();
    let took = (finished - started).num_milliseconds();
    assert!((300..10_000).contains(&took), "{took} ms");
}

#[test]
fn what_ran() {
    let slow = REPORT.replace("3], shell: \"true\"", "3], shell: sleep 0.15");
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/report.yaml", &slow),
        ("pipelines/hand.yaml", HAND),
    ]);
    assert_eq!(project.stdout("timeline"), "no run yet\n");
    project.stdout("trigger hand -q");
    project.output("trigger report -q");
    // Where a bar begins and how long it is differs from run to run.
    let facts = |line: &str| -> Vec<String> {
        let text = project.stdout(line);
        let lanes = text.lines().filter(|line| line.contains(['·', '░', '█']));
        lanes
            .map(|lane| {
                let bar = |c: char| "·░▁▂▃▄▅▆▇█✗■".contains(c);
                let words: Vec<&str> = lane.split_whitespace().collect();
                let kept = words.iter().map(|word| word.trim_matches(bar));
                let digits =
                    |word: &str| word.chars().any(|c| c.is_ascii_digit()) && word.contains('s');
                let kept = kept.filter(|word| !word.is_empty() && !digits(word));
                kept.collect::<Vec<_>>().join(" ")
            })
            .collect()
    };
    assert_eq!(
        facts("timeline --since 10m"),
        ["hand 1 run", "report 1 run, 1 failed"]
    );
    assert_eq!(facts("timeline --since 10m --dag hand"), ["hand 1 run"]);
    let tasks = facts("timeline --run report").join("\n");
    for expected in [
        "build", "3 items", "[2]", "waited", "send", "failed", "then", "skipped",
    ] {
        assert!(tasks.contains(expected), "{expected}: {tasks}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&project.stdout("timeline --run report --format json")).unwrap();
    assert_eq!(json["tasks"][0]["task"], "build");
    assert_eq!(json["tasks"][0]["state"], "success");
    let all: serde_json::Value =
        serde_json::from_str(&project.stdout("timeline --format json")).unwrap();
    assert_eq!(all["runs"].as_array().unwrap().len(), 2);
}

//! Metrics, read as strictly as Prometheus' format says.

use std::collections::{BTreeMap, BTreeSet};

use runner::model::{
    AttemptOutcome, AttemptResult, Budget, DagId, DataInterval, Ended, Json, Outcome, RunId,
    RunSpec, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition, TriggerKind,
};
use runner::store::{NewRun, Owner, Role, RunStore as _};

use super::{Ask, Site};

const FILES: &[(&str, &str)] = &[
    ("runner.yaml", "pools: { heavy: 3, light: 1 }\n"),
    (
        "pipelines/hourly.yaml",
        "dag: hourly\nschedule: \"@hourly\"\ntasks:\n  \
         one: { shell: \"true\", pool: heavy, slots: 2 }\n  \
         two: { shell: \"true\", pool: heavy }\n",
    ),
];

/// A family: its kind, and its values by name and labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    values: BTreeMap<String, f64>,
}

/// Reads the text format; panics at whatever it doesn't allow.
fn read(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut helped) = (String::new(), String::new());
    assert!(text.ends_with('\n'), "the last line ends");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(!help.is_empty() && !families.contains_key(name), "{line}");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name, helped, "help comes before the type");
            let family = Family {
                kind: kind.to_owned(),
                ..Family::default()
            };
            assert!(families.insert(name.to_owned(), family).is_none(), "{line}");
            name.clone_into(&mut current);
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
                None => (series, ""),
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(plain), "{line}");
            let family = families.get_mut(&current).expect(line);
            let parts: &[&str] = match family.kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let known = parts.iter().any(|part| name == format!("{current}{part}"));
            assert!(known, "a value of another family: {line}");
            let value: f64 = value.parse().expect(line);
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let mut names = BTreeSet::new();
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (name, _) = label.split_once("=\"").expect(line);
                assert!(name.chars().all(plain) && names.insert(name), "{line}");
            }
            assert!(
                family.values.insert(series.to_owned(), value).is_none(),
                "{line}"
            );
        }
    }
    for (name, family) in &families {
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, family.kind == "counter", "{name}");
        if family.kind == "histogram" {
            check_histogram(name, family, text);
        }
    }
    families
}

/// Buckets are cumulative in the order of the text, and the last one is of all.
fn check_histogram(name: &str, family: &Family, text: &str) {
    let mut last: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with(&format!("{name}_bucket{{")))
    {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let value: f64 = value.parse().expect(line);
        let (labels, bound) = series.split_once("le=\"").expect(line);
        let bound = bound
            .strip_suffix("\"}")
            .expect(line)
            .replace("+Inf", "inf");
        let bound: f64 = bound.parse().expect(line);
        let labels = labels[name.len() + "_bucket{".len()..].trim_end_matches(',');
        let known = last.insert(labels.to_owned(), (bound, value));
        assert!(known.is_none_or(|(b, v)| b < bound && v <= value), "{line}");
    }
    let counts = format!("{name}_count");
    for (series, count) in family
        .values
        .iter()
        .filter(|(one, _)| one.starts_with(&counts))
    {
        let labels = series[counts.len()..].trim_matches(['{', '}']);
        assert_eq!(last.get(labels), Some(&(f64::INFINITY, *count)), "{series}");
    }
}

fn spec(site: &Site, name: &str, trigger: TriggerKind) -> RunSpec {
    let snapshot = site.app.snapshot();
    let dag = DagId::new("hourly").unwrap();
    let version = &snapshot.project.as_ref().unwrap().pipelines[&dag].version;
    RunSpec {
        id: RunId::new(name).unwrap(),
        version: version.hash.clone(),
        dag,
        params: Json("{}".into()),
        interval: DataInterval {
            start: site.now(),
            end: site.now(),
        },
        logical_time: site.now(),
        trigger,
        seed: 1,
        priority: 0,
        only: None,
        created: site.now(),
    }
}

fn task(run: &str, task: u32, state: TaskState, at: Timestamp, ended: Option<Ended>) -> Transition {
    Transition::Task {
        run: RunId::new(run).unwrap(),
        task_run: TaskRunId {
            task: TaskIndex(task),
            item: None,
        },
        generation: 0,
        attempts: 1,
        budget: Budget::default(),
        fence: 1,
        state,
        ended,
        at,
    }
}

/// A run that is over after two seconds, and one of which a task runs and another one waits.
async fn history(site: &Site) {
    let snapshot = site.app.snapshot();
    let pipelines = &snapshot.project.as_ref().unwrap().pipelines;
    let version = &pipelines.values().next().unwrap().version;
    let owner = Owner("somebody".to_owned());
    let specs = [
        spec(site, "r1", TriggerKind::Schedule),
        spec(site, "r2", TriggerKind::Manual),
    ];
    let runs = specs.map(|spec| NewRun {
        spec,
        owner: owner.clone(),
    });
    let versions = std::slice::from_ref(version);
    site.store.begin(versions, &runs).await.unwrap();
    let started = site.now();
    let at = started + chrono::TimeDelta::seconds(2);
    let is = |run: &str, state, at| Transition::Run {
        run: RunId::new(run).unwrap(),
        state,
        at,
    };
    let success = AttemptResult {
        outcome: AttemptOutcome::Success,
        outputs: Json::null(),
        dataset: None,
        metrics: None,
    };
    let ended = Ended {
        number: 1,
        started,
        result: success,
    };
    let finished = TaskState::Finished {
        outcome: Outcome::Success,
        at,
    };
    let running = TaskState::Running {
        started,
        deadline: None,
    };
    let batches = [
        vec![is("r1", RunState::Running, started)],
        vec![
            task("r1", 0, finished, at, Some(ended)),
            is("r1", RunState::Success, at),
            is("r2", RunState::Running, started),
            task("r2", 0, running, started, None),
            task("r2", 1, TaskState::Ready, started, None),
        ],
    ];
    for batch in batches {
        site.store.commit(&owner, &batch).await.unwrap();
    }
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let site = Site::of(FILES, false).await;
    let token = site.token(Role::Viewer, None).await;
    let ask = || Ask::new("GET", "/metrics").bearer(&token);
    // Before anything has happened, too.
    read(&ask().send(&site).await.body);
    history(&site).await;
    let reply = ask().send(&site).await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let families = read(&reply.body);
    let value = |series: &str| {
        let mut all = families.values().flat_map(|family| &family.values);
        let found = all.find(|(name, _)| *name == series);
        *found
            .unwrap_or_else(|| panic!("{series}: {}", reply.body))
            .1
    };
    for (series, expected) in [
        ("runner_scheduler_up", 0.0),
        ("runner_dags", 1.0),
        ("runner_files_broken", 0.0),
        (
            r#"runner_runs_unfinished{dag="hourly",state="running"}"#,
            1.0,
        ),
        (r#"runner_runs_total{dag="hourly",state="success"}"#, 1.0),
        (
            r#"runner_run_duration_seconds_bucket{dag="hourly",le="1"}"#,
            0.0,
        ),
        (
            r#"runner_run_duration_seconds_bucket{dag="hourly",le="5"}"#,
            1.0,
        ),
        (r#"runner_run_duration_seconds_sum{dag="hourly"}"#, 2.0),
        (r#"runner_run_duration_seconds_count{dag="hourly"}"#, 1.0),
        (
            r#"runner_task_attempts_total{dag="hourly",outcome="success"}"#,
            1.0,
        ),
        ("runner_task_attempt_duration_seconds_sum", 2.0),
        ("runner_schedule_lateness_seconds_count", 1.0),
        ("runner_run_queued_seconds_count", 2.0),
        (r#"runner_tasks{stage="ready"}"#, 1.0),
        (r#"runner_tasks{stage="running"}"#, 1.0),
        (r#"runner_tasks{stage="retry_wait"}"#, 0.0),
        (r#"runner_pool_slots{pool="heavy"}"#, 3.0),
        (r#"runner_pool_slots_used{pool="heavy"}"#, 2.0),
        (r#"runner_pool_tasks_waiting{pool="heavy"}"#, 1.0),
        (r#"runner_pool_slots_used{pool="light"}"#, 0.0),
        (r#"runner_last_run_success{dag="hourly"}"#, 1.0),
        (r#"runner_last_run_duration_seconds{dag="hourly"}"#, 2.0),
        (
            r#"runner_dag_next_run_timestamp_seconds{dag="hourly"}"#,
            1_787_230_800.0,
        ),
        ("runner_notices_waiting", 0.0),
    ] {
        assert!(
            (value(series) - expected).abs() < 1e-9,
            "{series}: {}",
            value(series)
        );
    }
    for series in [
        "runner_store_commit_seconds_count",
        "runner_store_bytes",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(value(series) > 0.0, "{series}");
    }
}

#[tokio::test]
async fn every_metric_is_told_of() {
    let site = Site::of(FILES, false).await;
    let token = site.token(Role::Viewer, None).await;
    history(&site).await;
    let reply = Ask::new("GET", "/metrics").bearer(&token).send(&site).await;
    let told = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let told = std::fs::read_to_string(told).unwrap();
    for name in read(&reply.body).keys() {
        let told = told.contains(&format!("`{name}`")) || name.starts_with("process_");
        assert!(told, "`{name}` isn't in docs/operations.md");
    }
}

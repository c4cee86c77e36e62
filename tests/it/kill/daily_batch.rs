//! `daily_batch`, killed at random points until it has succeeded all the same.
//!
//! `RUNNER_KILLS=5000 cargo test --test it kill:: -- --nocapture` kills as often as it says;
//! `RUNNER_KILL_SEED=…`, which a failure prints, begins with the cycle that failed. A seed decides
//! what is killed and after what time; what the machine does in that time, it doesn't.

mod victim;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runner::secret::Environment;

use super::machine::processes;
use super::project::{DEADLINE, Project, code};
use super::truth::{Database, database, state};
use crate::engine::random::Random;
use crate::oracle::daily_batch::{Params, Table, answers, tables};
use crate::samples::generator::{Scale, write};

use self::victim::{VICTIMS, Victim, kill, kill_all};

/// Kills in an ordinary test run, and when it ends on a machine that is busy with other things.
const KILLS: usize = 240;

const PATIENCE: Duration = Duration::from_mins(1);

/// Cycles in one project, before another one starts with nothing but its files.
const CYCLES: u64 = 25;

/// Projects at a time.
const PROJECTS: usize = 2;

const SCALE: Scale = Scale {
    deposits: 400,
    withdrawals: 300,
    withdrawers: 40,
    events: 400,
    logins: 150,
    users: 100,
    crowd: 250,
};

/// Tasks beside those of the repository: whatever they do twice stays visible, and there are
/// processes to leave behind.
const MORE: &str = r#"
  append_deposits:
    needs: create_tables
    copy: { from: { file: samples/deposit_sample_data.csv }, to: { connection: batch, table: journal.deposit, mode: append } }
  append_row:
    needs: create_tables
    sql: { connection: batch, script: "insert into journal.run select {{ run.id }}" }
  append_items:
    needs: create_tables
    foreach: [0, 1, 2]
    sql: { connection: batch, script: "insert into journal.item select {{ run.id }}, ({{ item }})::text" }
  sleeper:
    needs: create_tables
    shell: "sleep 1000 & sleep 0.1; echo n=5 >> $RUNNER_OUTPUTS"
  reader:
    needs: [sleeper, append_items]
    shell: { script: 'test "$N" = 5', env: { N: "{{ tasks.sleeper.outputs.n }}" } }
"#;

const JOURNAL: &str = "
CREATE SCHEMA journal;
CREATE TABLE journal.deposit (id bigint, event_timestamp timestamptz, user_id text, amount text, currency text, tx_status text);
CREATE TABLE journal.run (run text);
CREATE TABLE journal.item (run text, item text);
";

/// Loads of one run: each has one row in the ledger.
const LOADS: [&str; 12] = [
    "append_deposits -1",
    "append_items 0",
    "append_items 1",
    "append_items 2",
    "append_row -1",
    "create_tables -1",
    "load_deposits -1",
    "load_events -1",
    "load_users -1",
    "load_withdrawals -1",
    "migrate -1",
    "new_model -1",
];

/// What all projects share.
struct Plan {
    seed: u64,
    kills: usize,
    until: Option<Instant>,
    done: AtomicUsize,
    next_cycle: AtomicUsize,
}

/// A project, and what it should hold.
struct Scene {
    /// What keeps the server up between two cycles. First, because a project waits for its end.
    database: Option<Database>,
    project: Project,
    tables: Vec<Table>,
    answers: [String; 8],
    /// Runs that have succeeded.
    runs: usize,
    /// How long a run takes that nobody disturbs.
    length: Duration,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| fs::read_to_string(repository.join(path)).expect(path);
        let given = "{ retries: 1, retry: { delay: 1m } }";
        let yaml = read("pipelines/daily_batch.yaml");
        assert!(yaml.contains(given), "{yaml}");
        // Whoever is killed often needs more than one retry, and a test doesn't wait a minute.
        let yaml = yaml.replace(
            given,
            "{ retries: 50, retry: { delay: 20ms, max_delay: 500ms } }",
        ) + MORE;
        let mut files = vec![
            (
                "runner.yaml".to_owned(),
                "connections: { batch: { postgres: embedded } }\n".to_owned(),
            ),
            ("pipelines/daily_batch.yaml".to_owned(), yaml),
        ];
        for folder in ["sql", "sql/questions"] {
            for entry in fs::read_dir(repository.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let name = path.strip_prefix(repository).unwrap().to_str().unwrap();
                    files.push((name.to_owned(), read(name)));
                }
            }
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let project = Project::new(&files);
        let samples = project.root().join("samples");
        write(&samples, &SCALE, seed).unwrap();
        let mut scene = Self {
            tables: tables(&samples),
            answers: answers(&samples, &Params::default()),
            database: None,
            runs: 0,
            length: Duration::from_secs(1),
            project,
        };
        // The first start makes the cluster and the database: it is killed, too.
        let mut chance = Random::new(seed);
        for _ in 0..2 {
            let mut first = scene.project.start(&["db", "url", "batch"]);
            let delay = Duration::from_micros(chance.next() % 1_000_000);
            if tokio::time::timeout(delay, first.wait()).await.is_err() {
                kill_all(&scene.project, &mut first).await;
            }
        }
        let mut database = database(&scene.project, "batch").await;
        database.execute(JOURNAL).await;
        drop(database);
        let started = Instant::now();
        let code = scene.project.run(&["trigger", "daily_batch"]).await;
        assert_eq!(code, 0, "{}", scene.project.said());
        scene.length = started.elapsed();
        scene.runs += 1;
        scene
    }
}

/// One run, killed again and again.
async fn cycle(scene: &mut Scene, seed: u64, plan: &Plan, tally: &mut BTreeMap<Victim, usize>) {
    let mut chance = Random::new(seed);
    let project = &scene.project;
    let count = "SELECT count(*) || '' FROM run";
    let mut left = 2 + chance.below(6);
    // The server stays up through the deaths of its clients, in some cycles.
    let held = scene.database.take().filter(|_| chance.chance(40));
    let is_held = held.is_some();
    let mut runner = project.start(&["trigger", "daily_batch"]);
    let mut first = true;
    loop {
        let wait = if left == 0 {
            DEADLINE
        } else {
            // Evenly over the whole run; of what is left of it later, the first third suffices.
            let most = u64::try_from(scene.length.as_micros()).unwrap() / if first { 1 } else { 3 };
            Duration::from_micros(chance.next() % most)
        };
        // The one wait for nothing but time: a kill shall come at any moment.
        if let Ok(status) = tokio::time::timeout(wait, runner.wait()).await {
            let code = code(status.unwrap());
            assert_eq!(code, 0, "it ended by itself:\n{}", project.said());
            let runs = state(project, count).await;
            if runs
                .first()
                .is_some_and(|row| row[0] == (scene.runs + 1).to_string())
            {
                break;
            }
            // Killed before the run was accepted, and nothing to go on with.
            runner = project.start(&["trigger", "daily_batch"]);
        } else {
            assert_ne!(left, 0, "it doesn't end:\n{}", project.said());
            left -= 1;
            first = false;
            let mut victim = *chance.pick(&VICTIMS).unwrap();
            if is_held && victim != Victim::Backend {
                victim = Victim::Runner;
            }
            let killed = kill(scene, victim, &mut chance, &mut runner).await;
            if killed.is_some() {
                *tally.entry(victim).or_default() += 1;
                plan.done.fetch_add(1, Ordering::Relaxed);
            }
            if killed == Some(true) {
                runner = project.start(&["resume"]);
            }
        }
    }
    scene.runs += 1;
    drop(held);
    scene.database = Some(check(scene).await);
}

/// Compares everything with what should be.
async fn check(scene: &Scene) -> Database {
    let project = &scene.project;
    let all = scene.runs.to_string();
    let runs = state(
        project,
        "SELECT state, count(*) || '' FROM run GROUP BY state",
    )
    .await;
    assert_eq!(runs, [["success".to_owned(), all.clone()]], "the runs");
    let open = "SELECT state, count(*) || '' FROM task_run WHERE state != 'success' GROUP BY state";
    assert_eq!(
        state(project, open).await,
        Vec::<Vec<String>>::new(),
        "the tasks"
    );

    let folder = project.root().join("bucket/batch_output");
    let names = fs::read_dir(&folder).unwrap().count();
    assert_eq!(names, 8, "{}", folder.display());
    for (number, expected) in (1..).zip(&scene.answers) {
        let found = fs::read_to_string(folder.join(format!("query{number}.csv"))).unwrap();
        assert_eq!(&found, expected, "answer {number}");
    }
    let mut database = database(project, "batch").await;
    for table in &scene.tables {
        let found = database.csv(table.query).await;
        assert_eq!(found, table.csv, "table {}", table.name);
    }
    check_journal(&mut database, scene).await;
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
    let alive = processes(project.root());
    let stray = alive
        .iter()
        .find(|process| process.command.contains("sleep"));
    assert!(stray.is_none(), "{stray:?}");
    database
}

async fn check_journal(database: &mut Database, scene: &Scene) {
    let runs = scene.runs;
    let ledger = "SELECT run, string_agg(task || ' ' || item, ',' ORDER BY task COLLATE \"C\", item) FROM runner.load_ledger GROUP BY run";
    let loads = format!("\"{}\"", LOADS.join(","));
    let ledger = database.csv(ledger).await;
    assert_eq!(ledger.lines().count(), runs, "{ledger}");
    for line in ledger.lines() {
        assert_eq!(line.split_once(',').unwrap().1, loads);
    }
    let once = format!("{runs},{runs}\n");
    let found = database
        .csv("SELECT count(*), count(DISTINCT run) FROM journal.run")
        .await;
    assert_eq!(found, once, "journal.run");
    let items = "SELECT count(*), count(DISTINCT (run, item)) FROM journal.item";
    assert_eq!(
        database.csv(items).await,
        format!("{0},{0}\n", runs * 3),
        "journal.item"
    );
    let deposits = "SELECT n, count(*) FROM (SELECT id, count(*) AS n FROM journal.deposit GROUP BY id) AS rows GROUP BY n";
    let expected = format!("{runs},{}\n", SCALE.deposits);
    assert_eq!(database.csv(deposits).await, expected, "journal.deposit");
}

async fn work(plan: Arc<Plan>) -> BTreeMap<Victim, usize> {
    let mut tally = BTreeMap::new();
    let mut scene = None;
    let in_time = || plan.until.is_none_or(|until| Instant::now() < until);
    while plan.done.load(Ordering::Relaxed) < plan.kills && in_time() {
        let number = plan.next_cycle.fetch_add(1, Ordering::Relaxed) as u64;
        let seed = plan.seed.wrapping_add(number);
        let _named = Named(seed);
        if number % CYCLES < PROJECTS as u64 {
            scene = None;
        }
        if scene.is_none() {
            scene = Some(Scene::new(seed).await);
        }
        let scene = scene.as_mut().unwrap();
        cycle(scene, seed, &plan, &mut tally).await;
    }
    tally
}

/// Says which cycle it was when it fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "again: RUNNER_KILL_SEED={} cargo test --test it kill::",
                self.0
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_carried_out_once_whatever_is_killed() {
    let environment = Environment::of_process();
    let number = |name: &str| {
        environment
            .get(name)
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seed = number("RUNNER_KILL_SEED");
    let plan = Arc::new(Plan {
        seed: seed.unwrap_or(1),
        kills: number("RUNNER_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap()),
        until: number("RUNNER_KILLS")
            .is_none()
            .then(|| Instant::now() + PATIENCE),
        done: AtomicUsize::new(0),
        next_cycle: AtomicUsize::new(0),
    });
    let started = Instant::now();
    let projects = if seed.is_some() { 1 } else { PROJECTS };
    let workers: Vec<_> = (0..projects)
        .map(|_| tokio::spawn(work(plan.clone())))
        .collect();
    let mut tally: BTreeMap<Victim, usize> = BTreeMap::new();
    for worker in workers {
        for (victim, count) in worker.await.unwrap() {
            *tally.entry(victim).or_default() += count;
        }
    }
    let cycles = plan.next_cycle.load(Ordering::Relaxed);
    eprintln!("{tally:?} in {cycles} runs, {:?}", started.elapsed());
}

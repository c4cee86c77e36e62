//! What pages cost: `bench/web.sh`, or `cargo run --release --example bench_web [past runs] [folder]`.
//!
//! Every page of a project of 100 DAGs with 10,000 runs behind it, then with a million; a log of
//! 100 MB; and 200 viewers of one log that grows. Times are from the request to the last byte of the
//! answer, the least of many: what else the machine does only adds to them.

#![expect(
    clippy::cast_precision_loss,
    reason = "what is printed has a few digits"
)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runner::connection::Places;
use runner::daemon::clock::{clock, now, random};
use runner::model::{
    AttemptOutcome, AttemptResult, Budget, DataInterval, Ended, FailureCause, FailureKind, Json,
    Outcome, RunId, RunSpec, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition,
    TriggerKind,
};
use runner::secret::Environment;
use runner::spec::{Pipeline, Project};
use runner::store::{NewRun, Owner, RunStore, SqliteStore};
use runner::web::account::Accounts;
use runner::web::{App, AppParts, Hosts, Listen, Proxies, Server, Serving};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const DAGS: u32 = 100;
const TASKS: u32 = 10;
const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
/// Requests of which the fastest and the middle one are told.
const ROUNDS: usize = 40;
const LOG: usize = 100 << 20;
const VIEWERS: usize = 200;
const WATCHED: Duration = Duration::from_secs(10);

fn project(root: &Path) -> Result<(Arc<Places>, Arc<Project>), Failure> {
    std::fs::create_dir_all(root.join("pipelines"))?;
    std::fs::write(root.join("runner.yaml"), "{}\n")?;
    for dag in 0..DAGS {
        let mut text = format!(
            "dag: dag{dag:02}\ndescription: Loads what came in\ntags: [bench]\n\
             schedule: \"@hourly\"\ntasks:\n  t0: {{ shell: \"true\" }}\n"
        );
        for task in 1..TASKS {
            text += &format!("  t{task}: {{ shell: \"true\", needs: t{} }}\n", task - 1);
        }
        std::fs::write(root.join(format!("pipelines/dag{dag:02}.yaml")), text)?;
    }
    let places = Arc::new(Places {
        root: root.to_owned(),
        state: root.join(".runner"),
        executable: std::env::current_exe()?,
    });
    std::fs::create_dir_all(&places.state)?;
    let loaded = runner::spec::load(&places, None, Environment::of_process());
    let project = loaded.project.ok_or("the project has mistakes")?;
    Ok((places, Arc::new(project)))
}

/// Runs that began a second after one another, until now; of the newest of them the tasks, too.
async fn fill(
    project: &Project,
    store: &dyn RunStore,
    numbers: std::ops::Range<u32>,
    tasks_of: u32,
) -> Result<Option<RunId>, Failure> {
    let owner = Owner("past".to_owned());
    let pipelines: Vec<&Arc<Pipeline>> = project.pipelines.values().collect();
    for pipeline in &pipelines {
        let version = std::slice::from_ref(&pipeline.version);
        store.begin(version, &[]).await?;
    }
    let (now, end) = (now(), numbers.end);
    let mut last = None;
    let numbers: Vec<u32> = numbers.collect();
    for part in numbers.chunks(5_000) {
        let (mut runs, mut batch) = (Vec::new(), Vec::new());
        for number in part {
            let at = now - chrono::TimeDelta::seconds(i64::from(end - number));
            let spec = spec(pipelines[(number % DAGS) as usize], at);
            let failed = number % 7 == 0;
            if end - number <= tasks_of {
                batch.extend(tasks(&spec.id, at, failed));
            }
            let state = if failed {
                RunState::Failed
            } else {
                RunState::Success
            };
            for (state, at) in [(RunState::Running, at), (state, later(at, 20))] {
                let run = spec.id.clone();
                batch.push(Transition::Run { run, state, at });
            }
            last = Some(spec.id.clone());
            let owner = owner.clone();
            runs.push(NewRun { spec, owner });
        }
        store.begin(&[], &runs).await?;
        store.commit(&owner, &batch).await?;
    }
    Ok(last)
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at + chrono::TimeDelta::seconds(i64::from(seconds))
}

fn spec(pipeline: &Pipeline, at: Timestamp) -> RunSpec {
    let chance = random();
    RunSpec {
        id: RunId::generate(at, chance),
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        params: Json("{}".into()),
        interval: DataInterval { start: at, end: at },
        logical_time: at,
        trigger: TriggerKind::Manual,
        seed: chance,
        priority: 0,
        only: None,
        created: at,
    }
}

fn tasks(run: &RunId, at: Timestamp, failed: bool) -> impl Iterator<Item = Transition> {
    (0..TASKS).map(move |task| {
        let failed = failed && task + 1 == TASKS;
        let cause = || FailureCause::new(FailureKind::Permanent, "exit status 1");
        let (started, at) = (later(at, task), later(at, task + 1));
        let result = AttemptResult {
            outcome: if failed {
                let retry_after = None;
                AttemptOutcome::Failed {
                    cause: cause(),
                    retry_after,
                }
            } else {
                AttemptOutcome::Success
            },
            outputs: Json(r#"{"rows":1000}"#.into()),
            dataset: None,
            metrics: None,
        };
        let outcome = if failed {
            Outcome::Failed(cause())
        } else {
            Outcome::Success
        };
        Transition::Task {
            run: run.clone(),
            task_run: TaskRunId {
                task: TaskIndex(task),
                item: None,
            },
            generation: 0,
            attempts: 1,
            budget: Budget::default(),
            fence: 1,
            state: TaskState::Finished { outcome, at },
            ended: Some(Ended {
                number: 1,
                started,
                result,
            }),
            at,
        }
    })
}

/// What is asked for, and how.
struct Asker {
    client: reqwest::Client,
    base: String,
}

impl Asker {
    async fn get(&self, path: &str) -> Result<(Duration, String), Failure> {
        let began = Instant::now();
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await?;
        if !answer.status().is_success() {
            return Err(format!("{path}: {}", answer.status()).into());
        }
        let body = answer.text().await?;
        Ok((began.elapsed(), body))
    }

    /// The fastest and the middle one of many requests, and the bytes of the answer.
    async fn time(&self, path: &str) -> Result<(Duration, Duration, usize), Failure> {
        let mut took = Vec::with_capacity(ROUNDS);
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let (time, body) = self.get(path).await?;
            took.push(time);
            bytes = body.len();
        }
        took.sort_unstable();
        Ok((took[0], took[ROUNDS / 2], bytes))
    }
}

/// What all threads but the asker's have worked so far.
fn worked() -> Result<Duration, Failure> {
    let mut ticks = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        // A thread may have ended meanwhile.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("stat")) else {
            continue;
        };
        let (name, rest) = text.rsplit_once(')').ok_or("no stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        if !name.ends_with("(asker") {
            ticks += fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn row(name: &str, (least, middle, bytes): (Duration, Duration, usize)) -> Result<(), Failure> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    say(&format!(
        "{name:<44} {:>8.1} ms {:>8.1} ms {:>8.0} kB",
        milliseconds(least),
        milliseconds(middle),
        bytes as f64 / 1000.0
    ))
}

async fn pages(asker: &Asker, run: &RunId, past: u32) -> Result<(), Failure> {
    say(&format!(
        "\n{:<44} {:>11} {:>11} {:>11}",
        format!("with {past} past runs"),
        "least",
        "middle",
        "size"
    ))?;
    for path in [
        "/".to_owned(),
        "/?show=failed".to_owned(),
        "/?q=dag1".to_owned(),
        "/runs".to_owned(),
        "/runs?state=failed".to_owned(),
        "/runs?q=dag07&state=success".to_owned(),
        format!("/runs?before={run}"),
        "/runs?q=zzzz".to_owned(),
        format!("/runs/{run}"),
        format!("/runs/{run}/tasks/t9"),
        "/dags/dag07".to_owned(),
        "/dags/dag07/grid".to_owned(),
        "/dags/dag07/past".to_owned(),
        "/dags/dag07/source".to_owned(),
        "/dags/dag07/trigger".to_owned(),
        "/schedule".to_owned(),
        "/connections".to_owned(),
        "/audit".to_owned(),
        "/about".to_owned(),
        "/api/v1/dags".to_owned(),
        "/api/v1/runs".to_owned(),
        format!("/api/v1/runs/{run}"),
        "/metrics".to_owned(),
    ] {
        let timed = asker.time(&path).await?;
        row(&path.replace(run.as_str(), "…"), timed)?;
    }
    Ok(())
}

/// A page with all that it asks for.
async fn page_load(asker: &Asker, path: &str) -> Result<(), Failure> {
    let (_, body) = asker.get(path).await?;
    let mut assets: Vec<&str> = body
        .split(['"', '\''])
        .filter(|part| part.starts_with("/asset/"))
        .collect();
    assets.sort_unstable();
    assets.dedup();
    let mut least = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        asker.get(path).await?;
        bytes = 0;
        for asset in &assets {
            bytes += asker.get(asset).await?.1.len();
        }
        least = least.min(began.elapsed());
    }
    say(&format!(
        "{path} with all that it asks for: {:.1} ms; {} assets, {:.0} kB",
        least.as_secs_f64() * 1000.0,
        assets.len(),
        bytes as f64 / 1000.0
    ))
}

async fn long_log(asker: &Asker, state: &Path, run: &RunId) -> Result<(), Failure> {
    let path = state.join(log_of(run));
    std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    let (mut bytes, mut number) = (0, 0);
    while bytes < LOG {
        let line = format!("2026-08-21T00:00:00.000Z out   loaded part {number} of what came in\n");
        file.write_all(line.as_bytes())?;
        bytes += line.len();
        number += 1;
    }
    file.flush()?;
    drop(file);
    say(&format!("\na log of {} MB", bytes >> 20))?;
    let page = format!("/runs/{run}/tasks/t9");
    row("its end", asker.time(&page).await?)?;
    row("its beginning", asker.time(&format!("{page}?at=0")).await?)?;
    let middle = format!("{page}?at={}", bytes / 2);
    row("its middle", asker.time(&middle).await?)?;
    let began = Instant::now();
    asker
        .get(&format!("{page}?find=part%20{}%20", number - 1))
        .await?;
    say(&format!(
        "looking for its last line: {:.0?}",
        began.elapsed()
    ))
}

/// Of the last task's first attempt.
fn log_of(run: &RunId) -> std::path::PathBuf {
    Path::new("logs").join(run.as_str()).join("t9.0.1.log")
}

/// Viewers of a log that grows by twenty lines a second, and of the page of its run.
async fn viewers(
    asker: &Asker,
    store: &dyn RunStore,
    state: &Path,
    project: &Project,
) -> Result<(), Failure> {
    let pipeline = project.pipelines.values().next().ok_or("no DAG")?;
    let spec = spec(pipeline, now());
    let (run, owner) = (spec.id.clone(), Owner("somebody".to_owned()));
    let new = NewRun {
        spec,
        owner: owner.clone(),
    };
    store.begin(&[], &[new]).await?;
    let started = now();
    let running = Transition::Task {
        run: run.clone(),
        task_run: TaskRunId {
            task: TaskIndex(9),
            item: None,
        },
        generation: 0,
        attempts: 1,
        budget: Budget::default(),
        fence: 1,
        state: TaskState::Running {
            started,
            deadline: None,
        },
        ended: None,
        at: started,
    };
    let is = Transition::Run {
        run: run.clone(),
        state: RunState::Running,
        at: started,
    };
    store.commit(&owner, &[is, running]).await?;
    let path = state.join(log_of(&run));
    std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    let mut log = std::fs::File::create(&path)?;
    for (name, stream) in [
        ("one log", format!("/live/runs/{run}/tasks/t9/log")),
        ("the page of one run", format!("/live/runs/{run}")),
    ] {
        let seen = Arc::new(AtomicU64::new(0));
        let mut watching = Vec::new();
        for _ in 0..VIEWERS {
            let answer = asker.client.get(format!("{}{stream}", asker.base));
            let mut answer = answer.send().await?;
            let seen = seen.clone();
            watching.push(tokio::spawn(async move {
                while let Ok(Some(part)) = answer.chunk().await {
                    seen.fetch_add(part.len() as u64, Ordering::Relaxed);
                }
            }));
        }
        let (began, before) = (Instant::now(), worked()?);
        let mut number = 0;
        while began.elapsed() < WATCHED {
            let time = now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
            for _ in 0..5 {
                writeln!(log, "{time} out   loaded part {number} of what came in")?;
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let (took, worked) = (began.elapsed(), worked()?.saturating_sub(before));
        say(&format!(
            "{VIEWERS} viewers of {name}: {:.1} % of one core; {:.0} kB seen by each",
            worked.as_secs_f64() / took.as_secs_f64() * 100.0,
            seen.load(Ordering::Relaxed) as f64 / VIEWERS as f64 / 1000.0
        ))?;
        for viewer in watching {
            viewer.abort();
        }
    }
    Ok(())
}

async fn measure(asker: Asker, served: Served) -> Result<(), Failure> {
    let Served {
        store,
        places,
        project,
        past,
        ..
    } = served;
    let few = FEW.min(past);
    let run = fill(&project, store.as_ref(), 0..few, 5_000).await?;
    pages(&asker, &run.ok_or("no run")?, few).await?;
    page_load(&asker, "/").await?;
    page_load(&asker, "/runs").await?;
    if past > few {
        let begun = Instant::now();
        fill(&project, store.as_ref(), few..past, 5_000).await?;
        say(&format!("\nfilled in {:.0?}", begun.elapsed()))?;
    }
    let run = fill(&project, store.as_ref(), 0..DAGS, DAGS).await?;
    let run = run.ok_or("no run")?;
    pages(&asker, &run, past).await?;
    long_log(&asker, &places.state, &run).await?;
    say("")?;
    viewers(&asker, store.as_ref(), &places.state, &project).await
}

struct Served {
    store: Arc<SqliteStore>,
    places: Arc<Places>,
    project: Arc<Project>,
    address: std::net::SocketAddr,
    past: u32,
}

async fn serve(root: &Path, past: u32) -> Result<Served, Failure> {
    let (places, project) = project(root)?;
    let store = Arc::new(SqliteStore::open(&places.state.join("state.db")).await?);
    let serving = Serving {
        listen: "127.0.0.1:0".parse()?,
        public_urls: Vec::new(),
        trusted_proxies: Vec::new(),
        open: true,
    };
    let server = Server::bind(&serving).await?;
    let Listen::Address(address) = *server.listen() else {
        return Err("an address was asked for".into());
    };
    let read = places.clone();
    let app = App::new(AppParts {
        store: store.clone(),
        places: places.clone(),
        read: Arc::new(move || runner::spec::load(&read, None, Environment::of_process())),
        clock: clock(),
        hosts: Hosts::new(server.listen(), &[])?,
        proxies: Proxies::new(Vec::new()),
        accounts: Accounts::new(store.clone(), &places.state),
        open: true,
    });
    tokio::spawn(server.serve(app, std::future::pending()));
    Ok(Served {
        store,
        places,
        project,
        address,
        past,
    })
}

fn main() -> Result<(), Failure> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let past = given.first().map_or(Ok(MANY), |past| past.parse())?;
    let folder = tempfile::tempdir_in(given.get(1).map_or(".", String::as_str))?;
    let root = folder.path().canonicalize()?;
    // As `runner` itself does; who asks has threads of its own, which don't count.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let asker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("asker")
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(&root, past))?;
    // Nobody speaks TLS here, but the library wants to know how.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let base = format!("http://{}", served.address);
    asker.block_on(asker.spawn(measure(Asker { client, base }, served)))??;
    asker.shutdown_background();
    runtime.shutdown_background();
    Ok(())
}

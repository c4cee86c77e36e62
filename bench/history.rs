//! What a long history costs: runs carried out by a host beside an empty past and beside a million
//! past runs, and what it takes to remove a part of that past meanwhile: `cargo bench
//! --bench history [-- folder]`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::connection::Places;
use runner::daemon::clock::{clock, now, random};
use runner::daemon::retention::Sweep;
use runner::daemon::{Host, HostParts, NewRun, OwnerLock};
use runner::model::{
    DataInterval, Json, RunId, RunSpec, RunState, Timestamp, Transition, TriggerKind,
};
use runner::secret::Environment;
use runner::spec::{Pipeline, Project};
use runner::store::{Owner, RunStore, SqliteStore};

type Failure = Box<dyn std::error::Error>;

const PAST: u32 = 1_000_000;
const DAGS: u32 = 100;
/// Runs of which the median counts.
const ROUNDS: usize = 300;

fn project(root: &Path) -> Result<Arc<Project>, Failure> {
    std::fs::create_dir_all(root.join("pipelines"))?;
    // A tenth of the past is more than is kept.
    let keep = PAST / DAGS / 10 * 9;
    let settings = format!("retention: {{ runs: {{ count: {keep} }} }}\n");
    std::fs::write(root.join("runner.yaml"), settings)?;
    for dag in 0..DAGS {
        let text = format!(
            "dag: dag{dag}\nschedule: \"@hourly\"\ntasks: {{ a: {{}}, b: {{ needs: a }} }}\n"
        );
        std::fs::write(root.join(format!("pipelines/dag{dag}.yaml")), text)?;
    }
    let places = Arc::new(Places {
        root: root.to_owned(),
        state: root.join(".runner"),
        executable: std::env::current_exe()?,
    });
    std::fs::create_dir_all(&places.state)?;
    let loaded = runner::spec::load(&places, None, Environment::of_process());
    let project = loaded.project.ok_or("the project has mistakes")?;
    Ok(Arc::new(project))
}

fn spec(pipeline: &Pipeline, at: Timestamp, trigger: TriggerKind) -> RunSpec {
    let chance = random();
    RunSpec {
        id: RunId::generate(at, chance),
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        params: Json("{}".into()),
        interval: DataInterval { start: at, end: at },
        logical_time: at,
        trigger,
        seed: chance,
        priority: 0,
        only: None,
        created: at,
    }
}

/// Runs that ended a second after one another, the last just now.
async fn fill(project: &Project, store: &dyn RunStore) -> Result<(), Failure> {
    let owner = Owner("past".to_owned());
    let pipelines: Vec<&Arc<Pipeline>> = project.pipelines.values().collect();
    for pipeline in &pipelines {
        store
            .begin(std::slice::from_ref(&pipeline.version), &[])
            .await?;
    }
    let now = now();
    for start in (0..PAST).step_by(10_000) {
        let numbers = start..start + 10_000;
        let mut runs = Vec::with_capacity(10_000);
        let mut ends = Vec::with_capacity(10_000);
        for number in numbers {
            let at = now - chrono::TimeDelta::seconds(i64::from(PAST - number));
            let pipeline = pipelines[(number % DAGS) as usize];
            let spec = spec(pipeline, at, TriggerKind::Schedule);
            let state = if number % 10 == 0 {
                RunState::Failed
            } else {
                RunState::Success
            };
            let run = spec.id.clone();
            ends.push(Transition::Run { run, state, at });
            let owner = owner.clone();
            runs.push(runner::store::NewRun { spec, owner });
        }
        store.begin(&[], &runs).await?;
        store.commit(&owner, &ends).await?;
    }
    Ok(())
}

/// How long each of many runs takes from its acceptance to its end: half of them, and all but one
/// in a hundred.
async fn runs(
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
) -> Result<(Duration, Duration), Failure> {
    let (news, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    let mut host = Host::new(HostParts {
        project: project.clone(),
        store: store.clone(),
        owner: OwnerLock::acquire(&project.places.state)?,
        clock: clock(),
        news,
    })?;
    let mut taken = Vec::with_capacity(ROUNDS);
    let pipelines: Vec<&Arc<Pipeline>> = project.pipelines.values().collect();
    for round in 0..ROUNDS {
        let pipeline = pipelines[round % pipelines.len()].clone();
        let begun = Instant::now();
        let spec = spec(&pipeline, now(), TriggerKind::Manual);
        host.accept(NewRun { spec, pipeline }).await?;
        host.run_until_idle().await?;
        taken.push(begun.elapsed());
    }
    taken.sort_unstable();
    Ok((taken[ROUNDS / 2], taken[ROUNDS * 99 / 100]))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Cargo adds `--bench` to what was given.
    let given = std::env::args().skip(1).find(|given| given != "--bench");
    let folder = tempfile::tempdir_in(given.as_deref().unwrap_or("."))?;
    let root = folder.path().canonicalize()?;
    let project = project(&root)?;
    let file = project.places.state.join("state.db");
    let store: Arc<dyn RunStore> = Arc::new(SqliteStore::open(&file).await?);
    let mut out = std::io::stdout().lock();
    let line = |name: &str, (half, most): (Duration, Duration)| {
        format!("{name:<44} {half:>10.2?} {most:>10.2?}\n")
    };
    writeln!(
        out,
        "{:<44} {:>10} {:>10}",
        "a run of two empty tasks", "half", "99 %"
    )?;
    out.write_all(line("without a past", runs(&project, &store).await?).as_bytes())?;
    fill(&project, store.as_ref()).await?;
    out.write_all(line("with a million past runs", runs(&project, &store).await?).as_bytes())?;
    let sweep = |dry| Sweep {
        project: project.clone(),
        store: store.clone(),
        now: now(),
        dry,
        quiet: None,
    };
    let begun = Instant::now();
    let would = sweep(true).run().await?;
    let looked = begun.elapsed();
    let begun = Instant::now();
    let removing = tokio::spawn(sweep(false).run());
    out.write_all(
        line(
            "… while a tenth of them is removed",
            runs(&project, &store).await?,
        )
        .as_bytes(),
    )?;
    let swept = removing.await??;
    writeln!(
        out,
        "\nlooking at {} runs to remove {looked:.2?}, removing {} {:.2?}",
        would.runs.count,
        swept.runs.count,
        begun.elapsed()
    )?;
    store.close().await;
    Ok(())
}

//! What the run state costs, beside a floor measured in the same run: `cargo bench
//! --bench store [-- folder]`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use runner::model::{
    AttemptOutcome, AttemptResult, Budget, DagId, DataInterval, Ended, Json, Outcome, RunId,
    RunSpec, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition, TriggerKind,
};
use runner::store::{DagVersion, NewRun, Owner, RunFilter, RunStore, SqliteStore, StoreError};

const SINGLES: u32 = 5000;
const TRANSITIONS: u32 = 200_000;

fn at(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(1_720_000_000_000_000 + micros).unwrap_or_default()
}

fn run_id(number: u32) -> RunId {
    RunId::generate(at(i64::from(number) * 1000), u64::from(number))
}

fn new_run(number: u32) -> Result<NewRun, Box<dyn std::error::Error>> {
    Ok(NewRun {
        spec: RunSpec {
            id: run_id(number),
            dag: DagId::new(&format!("dag{}", number % 10))?,
            version: "0".repeat(64),
            params: Json(r#"{"day":"2024-07-03"}"#.into()),
            interval: DataInterval {
                start: at(0),
                end: at(1),
            },
            logical_time: at(i64::from(number)),
            trigger: TriggerKind::Schedule,
            seed: 1,
            priority: 0,
            only: None,
            created: at(0),
        },
        owner: owner(),
    })
}

fn owner() -> Owner {
    Owner("bench".to_owned())
}

/// A step of a chain: one task ends, the next begins.
fn step(run: &RunId, task: u32) -> [Transition; 2] {
    [
        ended(run, task, None),
        Transition::Task {
            run: run.clone(),
            task_run: TaskRunId {
                task: TaskIndex(task + 1),
                item: None,
            },
            generation: 0,
            attempts: 1,
            budget: Budget::default(),
            fence: 1,
            state: TaskState::Running {
                started: at(i64::from(task)),
                deadline: None,
            },
            ended: None,
            at: at(i64::from(task)),
        },
    ]
}

fn ended(run: &RunId, task: u32, item: Option<u32>) -> Transition {
    Transition::Task {
        run: run.clone(),
        task_run: TaskRunId {
            task: TaskIndex(task),
            item,
        },
        generation: 0,
        attempts: 1,
        budget: Budget::default(),
        fence: 1,
        state: TaskState::Finished {
            outcome: Outcome::Success,
            at: at(i64::from(task)),
        },
        ended: Some(Ended {
            number: 1,
            started: at(0),
            result: AttemptResult {
                outcome: AttemptOutcome::Success,
                outputs: Json::null(),
                dataset: None,
                metrics: None,
            },
        }),
        at: at(i64::from(task)),
    }
}

fn running(run: &RunId, task: u32) -> Transition {
    let [_, next] = step(run, task);
    next
}

struct Table {
    rows: Vec<(String, f64, Duration)>,
}

impl Table {
    fn row(&mut self, name: &str, count: f64, taken: Duration) {
        self.rows.push((name.to_owned(), count, taken));
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{:<44} {:>12} {:>12}", "", "per second", "each µs")?;
        for (name, count, taken) in &self.rows {
            let seconds = taken.as_secs_f64();
            let (rate, each) = (count / seconds, seconds / count * 1e6);
            writeln!(out, "{name:<44} {rate:>12.0} {each:>12.1}")?;
        }
        Ok(())
    }
}

/// Appends and syncs `bytes`, as often as there are single commits.
fn floor(folder: &Path, bytes: usize) -> std::io::Result<Duration> {
    let mut file = File::create(folder.join("floor"))?;
    file.write_all(&vec![0; 1 << 24])?;
    file.sync_all()?;
    std::io::Seek::rewind(&mut file)?;
    let block = vec![1; bytes];
    let begun = Instant::now();
    for number in 0..SINGLES {
        // Around in place, as the log does.
        if number % 1000 == 0 {
            std::io::Seek::rewind(&mut file)?;
        }
        file.write_all(&block)?;
        file.sync_data()?;
    }
    Ok(begun.elapsed())
}

async fn commit(store: &SqliteStore, batch: &[Transition]) -> Result<(), StoreError> {
    store.commit(&owner(), batch).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench` to what was given.
    let given = std::env::args().skip(1).find(|given| given != "--bench");
    let folder = match given {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(".")?,
    };
    let file = folder.path().join("state.db");
    let mut table = Table { rows: Vec::new() };
    table.row(
        "floor: 3 pages, fdatasync",
        SINGLES.into(),
        floor(folder.path(), 3 * 4120)?,
    );

    let begun = Instant::now();
    let store = SqliteStore::open(&file).await?;
    table.row("open, new file", 1.0, begun.elapsed());
    store
        .begin(
            &[DagVersion {
                hash: "0".repeat(64),
                dag: DagId::new("dag0")?,
                tasks: Vec::new(),
                files: [].into(),
            }],
            &[],
        )
        .await?;

    let mut number = 0;
    let mut fresh = async |store: &SqliteStore| -> Result<RunId, Box<dyn std::error::Error>> {
        number += 1;
        store.begin(&[], &[new_run(number)?]).await?;
        Ok(run_id(number))
    };

    let run = fresh(&store).await?;
    let begun = Instant::now();
    for task in 0..SINGLES {
        commit(&store, &[running(&run, task)]).await?;
    }
    table.row(
        "one transition, one after another",
        SINGLES.into(),
        begun.elapsed(),
    );

    let run = fresh(&store).await?;
    let begun = Instant::now();
    for task in 0..SINGLES {
        commit(&store, &step(&run, task)).await?;
    }
    table.row(
        "chain step (ended + running)",
        SINGLES.into(),
        begun.elapsed(),
    );

    for size in [10, 100, 1000] {
        let run = fresh(&store).await?;
        let batches: Vec<Vec<Transition>> = (0..TRANSITIONS / size)
            .map(|batch| (0..size).map(|n| running(&run, batch * size + n)).collect())
            .collect();
        let begun = Instant::now();
        for batch in &batches {
            commit(&store, batch).await?;
        }
        let name = format!("transitions in batches of {size}");
        table.row(&name, TRANSITIONS.into(), begun.elapsed());
        let batches: Vec<Vec<Transition>> = (0..TRANSITIONS / size)
            .map(|batch| {
                (0..size)
                    .map(|n| ended(&run, batch * size + n, None))
                    .collect()
            })
            .collect();
        let begun = Instant::now();
        for batch in &batches {
            commit(&store, batch).await?;
        }
        let name = format!("… the attempts of which end, {size}");
        table.row(&name, TRANSITIONS.into(), begun.elapsed());
    }

    let store = Arc::new(store);
    let mut callers = Vec::new();
    for _ in 0..64 {
        let run = fresh(&store).await?;
        let store = Arc::clone(&store);
        callers.push(async move {
            for task in 0..500 {
                commit(&store, &step(&run, task)).await?;
            }
            Ok::<(), StoreError>(())
        });
    }
    let begun = Instant::now();
    let callers = callers.into_iter().map(tokio::spawn);
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    table.row(
        "chain steps, 64 chains at a time",
        64.0 * 500.0,
        begun.elapsed(),
    );

    let run = fresh(&store).await?;
    let items: Vec<Json> = (0..10_000).map(|n| Json(format!("{n}").into())).collect();
    let expanded = Transition::Expanded {
        run: run.clone(),
        task: TaskIndex(0),
        generation: 0,
        items,
        at: at(0),
    };
    let begun = Instant::now();
    commit(&store, &[expanded]).await?;
    table.row("expand into 10,000 items", 1.0, begun.elapsed());
    let batch: Vec<Transition> = (0..10_000).map(|n| ended(&run, 0, Some(n))).collect();
    commit(&store, &batch).await?;
    let begun = Instant::now();
    store.load(&run).await?;
    table.row("load that run", 1.0, begun.elapsed());
    let begun = Instant::now();
    store.task_runs(&run).await?;
    table.row("list its task runs", 1.0, begun.elapsed());

    store.close().await;
    drop(store);
    let begun = Instant::now();
    let store = SqliteStore::open(&file).await?;
    table.row("open again", 1.0, begun.elapsed());
    let begun = Instant::now();
    store.owners().await?;
    table.row("first read", 1.0, begun.elapsed());

    let past: u32 = 1_000_000;
    let begun = Instant::now();
    for start in (0..past).step_by(10_000) {
        let numbers = 1000 + start..1000 + start + 10_000;
        let runs = numbers
            .clone()
            .map(new_run)
            .collect::<Result<Vec<_>, _>>()?;
        store.begin(&[], &runs).await?;
        let ends: Vec<Transition> = numbers
            .map(|number| Transition::Run {
                run: run_id(number),
                state: if number % 1000 == 0 {
                    RunState::Failed
                } else {
                    RunState::Success
                },
                at: at(5),
            })
            .collect();
        commit(&store, &ends).await?;
    }
    table.row(
        "runs created and ended, a million",
        past.into(),
        begun.elapsed(),
    );
    let failed = RunFilter {
        dag: Some(DagId::new("dag0")?),
        states: vec![RunState::Failed, RunState::Cancelled],
        before: None,
        limit: 50,
        ..RunFilter::default()
    };
    let begun = Instant::now();
    assert_eq!(store.runs(&failed).await?.len(), 50);
    table.row(
        "last 50 failed of a DAG, of a million",
        1.0,
        begun.elapsed(),
    );
    let begun = Instant::now();
    store.owners().await?;
    table.row("owners, of a million", 1.0, begun.elapsed());
    let begun = Instant::now();
    let found = store.find_runs(&run_id(1000).as_str()[5..], 10).await?;
    assert_eq!(found.len(), 1);
    table.row(
        "find a run by its id's end, of a million",
        1.0,
        begun.elapsed(),
    );
    let begun = Instant::now();
    store.close().await;
    table.row("close", 1.0, begun.elapsed());
    table.print(&mut std::io::stdout().lock())?;
    Ok(())
}

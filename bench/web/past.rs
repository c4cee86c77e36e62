//! The project, and what is behind it.

use std::path::Path;
use std::sync::Arc;

use runner::connection::Places;
use runner::daemon::clock::{now, random};
use runner::model::{
    AttemptOutcome, AttemptResult, Budget, DataInterval, Ended, FailureCause, FailureKind, Json,
    Outcome, RunId, RunSpec, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition,
    TriggerKind,
};
use runner::secret::Environment;
use runner::spec::{Pipeline, Project};
use runner::store::{NewRun, Owner, RunStore};

use crate::Failure;

pub const DAGS: u32 = 100;
const TASKS: u32 = 10;

pub fn project(root: &Path) -> Result<(Arc<Places>, Arc<Project>), Failure> {
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
pub async fn fill(
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

/// The log of the first attempt of a run's last task.
pub fn log_of(state: &Path, run: &RunId) -> Result<std::path::PathBuf, Failure> {
    let folder = state.join("logs").join(run.as_str());
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("t9.0.1.log"))
}

/// A run of every one of these DAGs that goes on: its last task works.
pub async fn begin(
    pipelines: &[&Arc<Pipeline>],
    store: &dyn RunStore,
    owner: &Owner,
) -> Result<Vec<RunId>, Failure> {
    let started = now();
    let (mut new, mut batch, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for pipeline in pipelines {
        let spec = spec(pipeline, started);
        let run = spec.id.clone();
        batch.push(Transition::Run {
            run: run.clone(),
            state: RunState::Running,
            at: started,
        });
        batch.push(Transition::Task {
            run: run.clone(),
            task_run: TaskRunId {
                task: TaskIndex(TASKS - 1),
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
        });
        ids.push(run);
        let owner = owner.clone();
        new.push(NewRun { spec, owner });
    }
    let versions: Vec<_> = pipelines.iter().map(|one| one.version.clone()).collect();
    store.begin(&versions, &new).await?;
    store.commit(owner, &batch).await?;
    Ok(ids)
}

//! `runner cancel`: end a run.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::arguments::Cancel;
use super::context::{Context, runtime};
use super::{Mistake, exit, find, look};
use crate::daemon::clock::now;
use crate::model::{Budget, Outcome, RunState, TaskIndex, TaskRunId, TaskState, Transition};
use crate::operate::engage::{self, Engaged, PATIENCE, Taken, engage};
use crate::remote::Server;
use crate::store::{CommandKind, RunRow, RunStore, StoredRun};

/// How long what runs is waited for.
const GRACE: Duration = Duration::from_secs(3);
/// Between two looks at what becomes of it.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(context: &Context, command: &Cancel) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command));
    }
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.run).await?;
        if run.state.is_finished() {
            return Err(Mistake::new(format!(
                "run {} of {} has ended already: {}",
                run.id, run.dag, run.state
            ))
            .into());
        }
        let cancel = CommandKind::Cancel;
        let state = match engage(&context.places.state, &project, &store, &run, &cancel).await? {
            Engaged::Told(owner) => {
                let heard = engage::until(store.as_ref(), &run, PATIENCE, async |row| {
                    Ok(row.state == RunState::Cancelling || row.state.is_finished())
                });
                if !heard.await? {
                    anyhow::bail!("process {} hasn't answered yet; it was told", owner.0);
                }
                // Most tasks end at once; who waits for a slow one is told.
                engage::until(store.as_ref(), &run, GRACE, async |row| {
                    Ok(row.state.is_finished())
                })
                .await?;
                engage::state_of(store.as_ref(), &run).await?
            }
            Engaged::Taken(taken) => end(*taken, &store, &run).await?,
        };
        store.close().await;
        say(&run, state)?;
        Ok(exit::OK)
    })
}

/// Has a server end it.
async fn there(server: &Server, command: &Cancel) -> anyhow::Result<u8> {
    let run = server.find(&command.run).await?;
    let parts = ["runs", run.id.as_str(), "cancel"];
    let answer = server.send("POST", &parts, &json!({}), None).await?;
    let mut state = server.known(&answer.json)?.run.state;
    let asked = Instant::now();
    let heard = |state: RunState| state == RunState::Cancelling || state.is_finished();
    while !state.is_finished() {
        let patience = if heard(state) { GRACE } else { PATIENCE };
        if asked.elapsed() > patience {
            break;
        }
        tokio::time::sleep(LOOK).await;
        state = server.run(&run.id).await?.0.run.state;
    }
    if !heard(state) {
        anyhow::bail!("the process that carries it out hasn't answered yet; it was told");
    }
    say(&run, state)?;
    Ok(exit::OK)
}

/// Says how it stands.
fn say(run: &RunRow, state: RunState) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    let style = look::run_state(state);
    let (dag, id) = (&run.dag, &run.id);
    match state {
        RunState::Cancelling => writeln!(
            out,
            "run {id} of {dag} is {style}cancelling{style:#}: what runs gets time to end cleanly"
        ),
        _ => writeln!(out, "run {id} of {dag}: {style}{state}{style:#}"),
    }
}

/// Ends a run that nobody carries out any more.
async fn end(taken: Taken, store: &Arc<dyn RunStore>, run: &RunRow) -> anyhow::Result<RunState> {
    let Taken {
        mut host, stored, ..
    } = taken;
    if host.resume(stored.clone()).await.is_ok() {
        host.run_until_idle().await?;
    } else {
        // Nobody can carry it out any more, but it can be written off.
        let version = find::version(store.as_ref(), run).await?;
        let ends = written_off(&stored, version.tasks.len());
        let heard = store.commands(host.owner()).await?;
        store.commit_heard(host.owner(), &ends, &heard).await?;
    }
    Ok(engage::state_of(store.as_ref(), run).await?)
}

/// The end of everything in a run whose definition can't be read any more.
fn written_off(stored: &StoredRun, tasks: usize) -> Vec<Transition> {
    let at = now();
    let run = &stored.spec.id;
    let change = |task_run, generation, attempts, budget: Budget, fence| Transition::Task {
        run: run.clone(),
        task_run,
        generation,
        attempts,
        budget,
        fence,
        state: TaskState::Finished {
            outcome: Outcome::Cancelled,
            at,
        },
        ended: None,
        at,
    };
    let mut transitions = Vec::new();
    for task in (0..u32::try_from(tasks).unwrap_or(u32::MAX)).map(TaskIndex) {
        let id = TaskRunId { task, item: None };
        if !stored.tasks.iter().any(|known| known.id == id) {
            transitions.push(change(id, 0, 0, Budget::default(), 0));
        }
    }
    for known in stored.tasks.iter().filter(|task| !task.state.is_finished()) {
        let (generation, attempts) = (known.generation, known.attempts);
        transitions.push(change(
            known.id,
            generation,
            attempts,
            known.budget,
            known.fence,
        ));
    }
    transitions.push(Transition::Run {
        run: run.clone(),
        state: RunState::Cancelled,
        at,
    });
    transitions
}

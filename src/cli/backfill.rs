//! `runner backfill`: run a DAG for intervals of the past.

mod plan;
mod progress;

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::arguments::Backfill;
use super::attend::{Attended, Signals, attend, kill};
use super::context::{Context, runtime};
use super::{Mistake, engage, exit, look};
use crate::daemon::clock::now;
use crate::daemon::schedule::DaemonLock;
use crate::daemon::{self, Beginning, NewRun, News, begin, is_alive, ring};
use crate::model::{RunState, TriggerKind};
use crate::spec::{Pipeline, Project};
use crate::store::{CommandKind, Owner, RunStore};

use plan::{Due, Plan, plan};
use progress::Progress;

/// Behind everything that the schedule or a person begins.
const PRIORITY: i32 = -100;
/// Between two looks at runs that the daemon carries out.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

pub fn run(context: &Context, command: &Backfill) -> anyhow::Result<u8> {
    let (project, pipeline) = context.pipeline(&command.dag)?;
    let params = pipeline
        .params
        .bind(&command.param)
        .map_err(|errors| Mistake::new(errors.join("\n")))?;
    let intervals = plan::intervals(&pipeline, command)?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let plan = plan(
            store.as_ref(),
            &context.places.state,
            &pipeline,
            intervals,
            command.reprocess,
        )
        .await?;
        if command.dry_run {
            plan.show(&mut anstream::stdout().lock())?;
            return Ok(exit::OK);
        }
        let runs = new_runs(&pipeline, &plan, &params);
        let mut progress = Progress::new(command, &pipeline, &plan);
        if runs.is_empty() && plan.interrupted.is_empty() {
            progress.nothing()?;
            return Ok(exit::OK);
        }
        progress.head()?;
        match DaemonLock::holder(&context.places.state) {
            Some(daemon) => {
                let parallel = usize::from(command.parallel);
                let handed = Handed {
                    context,
                    store: store.as_ref(),
                    daemon,
                };
                handed.run(runs, &plan, parallel, &mut progress).await?;
            }
            None => {
                here(
                    context,
                    command,
                    &project,
                    &store,
                    runs,
                    &plan,
                    &mut progress,
                )
                .await?;
            }
        }
        store.close().await;
        progress.end()
    })
}

/// The runs that are to begin, oldest data first.
fn new_runs(pipeline: &Arc<Pipeline>, plan: &Plan, params: &Map<String, Json>) -> VecDeque<NewRun> {
    let due = plan.due.iter().filter(|(_, due)| *due == Due::Begins);
    due.map(|(interval, _)| {
        let beginning = Beginning {
            params: params.clone(),
            interval: *interval,
            logical_time: interval.end,
            trigger: TriggerKind::Backfill,
            priority: PRIORITY,
            only: None,
        };
        NewRun {
            spec: begin(pipeline, beginning, now()),
            pipeline: pipeline.clone(),
        }
    })
    .collect()
}

/// Carries them out in this process.
async fn here(
    context: &Context,
    command: &Backfill,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    runs: VecDeque<NewRun>,
    plan: &Plan,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let (mut host, mut heard) = engage::host(context, project, store)?;
    for row in &plan.interrupted {
        for stored in store.adopt(&row.owner, host.owner(), Some(&row.id)).await? {
            let resumed = host.resume(stored).await;
            resumed.map_err(|reason| {
                Mistake::new(format!("run {} can't go on: {reason}", row.id))
                    .help(format!("`runner cancel {}` ends it", row.id))
            })?;
        }
    }
    let control = host.control();
    let mut backfill = daemon::Backfill {
        host,
        runs,
        parallel: usize::from(command.parallel),
    };
    let attended = attend(backfill.run(), &control, &mut heard, progress).await?;
    if attended == Attended::Killed {
        kill(backfill.host).await;
    }
    Ok(())
}

/// Runs that the project's daemon carries out.
struct Handed<'a> {
    context: &'a Context,
    store: &'a dyn RunStore,
    daemon: Owner,
}

impl Handed<'_> {
    /// Gives the daemon so many runs at a time, until all have ended.
    async fn run(
        &self,
        mut runs: VecDeque<NewRun>,
        plan: &Plan,
        parallel: usize,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let state = &self.context.places.state;
        let mut active = Vec::new();
        for row in &plan.interrupted {
            self.store
                .adopt(&row.owner, &self.daemon, Some(&row.id))
                .await?;
            active.push(row.id.clone());
        }
        let mut signals = Signals::new()?;
        loop {
            while active.len() < parallel
                && let Some(run) = runs.pop_front()
            {
                self.store.put_version(&run.pipeline.version).await?;
                let new = crate::store::NewRun {
                    spec: run.spec.clone(),
                    owner: self.daemon.clone(),
                };
                self.store.create_runs(&[new]).await?;
                active.push(run.spec.id);
            }
            ring(state, &self.daemon)?;
            if active.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = signals.interrupted() => {
                    writeln!(anstream::stderr(), "cancelling")?;
                    runs.clear();
                    for run in &active {
                        self.store.put_command(run, &CommandKind::Cancel, now()).await?;
                    }
                }
            }
            let mut going_on = Vec::new();
            for run in active {
                let found = self.store.find_runs(run.as_str(), 1).await?;
                match found.into_iter().find(|row| row.id == run) {
                    Some(row) if row.state.is_finished() => progress.ended(&row)?,
                    Some(_) => going_on.push(run),
                    None => {}
                }
            }
            active = going_on;
            if !active.is_empty() && !is_alive(state, &self.daemon) {
                let mistake = "the daemon has ended; what it has begun goes on at its next start";
                return Err(Mistake::new(mistake)
                    .help("the same command again goes on with the rest")
                    .into());
            }
        }
    }
}

/// The word of a state, in its colour.
fn state_word(state: RunState) -> String {
    let style = look::run_state(state);
    format!("{style}{:<9}{style:#}", state.as_str())
}

/// What is told while runs of this process go on.
fn of_end(news: &News) -> Option<(&crate::model::RunId, RunState, crate::model::Timestamp)> {
    match news {
        News::Changed(crate::model::Transition::Run { run, state, at }) if state.is_finished() => {
            Some((run, *state, *at))
        }
        _ => None,
    }
}

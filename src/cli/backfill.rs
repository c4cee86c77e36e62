//! `runner backfill`: run a DAG for intervals of the past.

mod plan;
mod progress;
mod there;

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;

use super::arguments::{Backfill, Reprocess};
use super::attend::{Signals, attend};
use super::context::{Context, runtime};
use super::{Mistake, engage, exit, look};
use crate::daemon::clock::now;
use crate::daemon::schedule::DaemonLock;
use crate::daemon::{self, NewRun, News};
use crate::model::RunState;
use crate::operate::backfill::{self, Feed, Plan, Span};
use crate::operate::start::no_secrets;
use crate::spec::Project;
use crate::store::{CommandKind, Owner, RunStore};

use progress::Progress;

/// Between two looks at runs that the daemon carries out.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

pub fn run(context: &Context, command: &Backfill) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there::run(server, command));
    }
    let (project, pipeline) = context.pipeline(&command.dag)?;
    let params = pipeline
        .params
        .bind(&command.param)
        .map_err(|errors| Mistake::new(errors.join("\n")))?;
    no_secrets(&project, &params)?;
    let span = Span {
        from: &command.from,
        to: &command.to,
        every: command.every,
    };
    let intervals = backfill::intervals(&pipeline, span)?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let plan = backfill::plan(
            store.as_ref(),
            &context.places.state,
            &pipeline,
            intervals,
            reprocess(command.reprocess),
        )
        .await?;
        if command.dry_run {
            plan::show(&plan, &mut anstream::stdout().lock())?;
            return Ok(exit::OK);
        }
        let runs = plan.runs(&pipeline, &params);
        let mut progress = Progress::new(command, &plan);
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
    let (mut host, mut heard) = engage::host(&context.places.state, project, store)?;
    for row in &plan.interrupted {
        for stored in store.adopt(&row.owner, host.owner(), Some(&row.id)).await? {
            let resumed = host.resume(stored).await;
            resumed.map_err(|reason| {
                Mistake::new(format!("run {} can't go on: {reason}", row.id))
                    .help(format!("`runner cancel {}` ends it", row.id))
            })?;
        }
    }
    let work = daemon::Backfill {
        host,
        runs,
        parallel: usize::from(command.parallel),
    };
    attend(work, &mut heard, progress).await
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
        self,
        runs: VecDeque<NewRun>,
        plan: &Plan,
        parallel: usize,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let state = &self.context.places.state;
        let mut feed = Feed::begin(self.store, self.daemon, plan, runs, parallel).await?;
        let mut signals = Signals::new()?;
        while feed.give(state, self.store).await? {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = signals.interrupted() => {
                    writeln!(anstream::stderr(), "cancelling")?;
                    for run in feed.stop() {
                        self.store.put_command(run, &CommandKind::Cancel, now()).await?;
                    }
                }
            }
            for row in feed.look(state, self.store).await? {
                progress.ended(&row)?;
            }
        }
        Ok(())
    }
}

/// The word of a state, in its colour.
fn state_word(state: RunState) -> String {
    let style = look::run_state(state);
    format!("{style}{:<9}{style:#}", state.as_str())
}

fn reprocess(word: Reprocess) -> backfill::Reprocess {
    match word {
        Reprocess::Missing => backfill::Reprocess::Missing,
        Reprocess::Failed => backfill::Reprocess::Failed,
        Reprocess::All => backfill::Reprocess::All,
    }
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

//! `runner resume`: finish the runs that were interrupted.

use std::io::Write;
use std::sync::Arc;

use super::arguments::Resume;
use super::attend::{Show, attend};
use super::context::{Context, runtime};
use super::output::Lenient;
use super::watch::{exit_code, show, watch};
use super::{Mistake, engage, exit, find, look, moment};
use crate::daemon::clock::now;
use crate::daemon::{Host, News, is_alive};
use crate::model::{DagId, RunId, RunState, Transition};
use crate::spec::Project;
use crate::store::{RunRow, RunStore};
use tokio::sync::mpsc::UnboundedReceiver;

pub fn run(context: &Context, command: &Resume) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let (mut host, heard) = engage::host(&context.places.state, &project, &store)?;
        let taken = match &command.run {
            Some(name) => {
                let run = find::run(context, store.as_ref(), name).await?;
                vec![take(context, &mut host, store.as_ref(), &run).await?]
            }
            None => adopt(&mut host, &project, store.as_ref(), None).await?,
        };
        let code = match taken.as_slice() {
            [] => {
                // There may be something to be told of runs that have ended.
                host.run_until_idle().await?;
                writeln!(anstream::stdout(), "no run is interrupted")?;
                exit::OK
            }
            [one] => {
                let state = watch_one(command, &project, &store, host, one, heard).await?;
                exit_code(state)
            }
            many => watch_all(command.quiet, host, many, heard).await?,
        };
        store.close().await;
        Ok(code)
    })
}

async fn take(
    context: &Context,
    host: &mut Host,
    store: &dyn RunStore,
    run: &RunRow,
) -> anyhow::Result<RunId> {
    let (run, interrupted) = find::look_at(&context.places.state, store, run.clone()).await?;
    if run.state.is_finished() {
        let mistake = format!("run {} of {} has ended: {}", run.id, run.dag, run.state);
        return Err(Mistake::new(mistake)
            .help(format!("`runner retry {}` runs again what failed", run.id))
            .into());
    }
    let being = || {
        Mistake::new(format!(
            "run {} of {} is being carried out",
            run.id, run.dag
        ))
        .help(format!("`runner logs {} --follow` shows it", run.id))
    };
    if !interrupted {
        return Err(being().into());
    }
    let mut taken = store.adopt(&run.owner, host.owner(), Some(&run.id)).await?;
    let stored = taken.pop().ok_or_else(being)?;
    let resumed = host.resume(stored).await;
    resumed.map_err(|reason| {
        Mistake::new(format!("run {} can't go on: {reason}", run.id))
            .help(format!("`runner cancel {}` ends it", run.id))
    })?;
    Ok(run.id.clone())
}

/// Takes over the unfinished runs of processes that have ended; of one DAG, or of all.
pub async fn adopt(
    host: &mut Host,
    project: &Project,
    store: &dyn RunStore,
    dag: Option<&DagId>,
) -> anyhow::Result<Vec<RunId>> {
    let mut taken = Vec::new();
    for (owner, run, of) in store.owners().await? {
        if dag.is_some_and(|dag| *dag != of) || is_alive(&project.places.state, &owner) {
            continue;
        }
        for stored in store.adopt(&owner, host.owner(), Some(&run)).await? {
            // Its process may have ended it, and itself, since the list was read.
            if stored.state.is_finished() {
                continue;
            }
            let id = stored.spec.id.clone();
            match host.resume(stored).await {
                Ok(()) => taken.push(id),
                Err(reason) => {
                    let warn = look::WARN;
                    writeln!(
                        anstream::stderr(),
                        "{warn}warning{warn:#}: run {id} can't go on: {reason}\n  help: \
                         `runner cancel {id}` ends it"
                    )?;
                }
            }
        }
    }
    Ok(taken)
}

async fn watch_one(
    command: &Resume,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    host: Host,
    run: &RunId,
    heard: UnboundedReceiver<News>,
) -> anyhow::Result<RunState> {
    let stored = store.load(run).await?;
    let spec = stored.map(|stored| stored.spec);
    let spec = spec.ok_or_else(|| anyhow::anyhow!("run {run} is gone"))?;
    let version = store.version(&spec.version).await?;
    let pipeline = version.and_then(|version| project.pinned(&version).ok());
    let pipeline = pipeline.ok_or_else(|| anyhow::anyhow!("the version of run {run} is gone"))?;
    watch(host, show(&pipeline, &spec, command.quiet)?, heard).await
}

/// Works until all have ended, with a line for each.
async fn watch_all(
    quiet: bool,
    host: Host,
    runs: &[RunId],
    mut heard: UnboundedReceiver<News>,
) -> anyhow::Result<u8> {
    let mut out = Lenient::new(anstream::stdout());
    if !quiet {
        writeln!(out, "{} runs go on", runs.len())?;
    }
    let mut shown = Ends {
        out,
        began: now(),
        dags: std::collections::HashMap::new(),
        worst: RunState::Success,
    };
    attend(host, &mut heard, &mut shown).await?;
    Ok(exit_code(shown.worst))
}

/// Shows how runs end.
struct Ends<W: Write> {
    out: W,
    began: crate::model::Timestamp,
    dags: std::collections::HashMap<RunId, String>,
    worst: RunState,
}

impl<W: Write> Show for Ends<W> {
    fn news(&mut self, news: News) -> std::io::Result<()> {
        match news {
            News::Run { spec, .. } => {
                self.dags.insert(spec.id.clone(), spec.dag.to_string());
                Ok(())
            }
            News::Changed(Transition::Run { run, state, at }) if state.is_finished() => {
                if state == RunState::Failed || self.worst == RunState::Success {
                    self.worst = state;
                }
                let style = look::run_state(state);
                let took = moment::took(self.began, at);
                let dag = self.dags.get(&run).map_or("", String::as_str);
                writeln!(
                    self.out,
                    "  {style}{state:<9}{style:#}  {run}  {took:>7}  {dag}"
                )
            }
            _ => Ok(()),
        }
    }
}

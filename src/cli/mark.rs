//! `runner mark`: take a task's end as decided.

use std::io::Write as _;

use super::arguments::{Decision, Mark};
use super::context::{Context, runtime};
use super::engage::{self, Engaged, PATIENCE, Taken, engage};
use super::live::View;
use super::output::Lenient;
use super::trigger::{head, watch};
use super::{Mistake, exit, find, look};
use crate::model::{FailureCause, FailureKind, Outcome, TaskIndex, TaskState};
use crate::store::{CommandKind, RunRow, RunStore};

pub fn run(context: &Context, command: &Mark) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.run).await?;
        let version = find::version(store.as_ref(), &run).await?;
        let task = find::task(&version, &command.task)?;
        let outcome = match command.end {
            Decision::Success => Outcome::Success,
            Decision::Skipped => Outcome::Skipped,
            Decision::Failed => Outcome::Failed(FailureCause::new(
                FailureKind::Permanent,
                "marked as failed by a person",
            )),
        };
        let wanted = CommandKind::Mark {
            task,
            outcome: outcome.clone(),
        };
        let (_, word, style) = look::outcome(&outcome);
        match engage(context, &project, &store, &run, &wanted).await? {
            Engaged::Told(_) => {
                engage::until(store.as_ref(), &run, PATIENCE, async |row| {
                    Ok(
                        is_so(store.as_ref(), row, task, &outcome).await?
                            || row.state.is_finished(),
                    )
                })
                .await?;
            }
            Engaged::Taken(taken) => go_on(*taken, &run).await?,
        }
        let marked = is_so(store.as_ref(), &run, task, &outcome).await?;
        let state = engage::state_of(store.as_ref(), &run).await?;
        store.close().await;
        if !marked {
            let mistake = format!(
                "task `{}` of run {} can't be marked: it has no part in this run, or the run is \
                 being cancelled",
                command.task, run.id
            );
            return Err(Mistake::new(mistake).into());
        }
        let run_style = look::run_state(state);
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{} is {style}{word}{style:#}; run {} of {} is {run_style}{state}{run_style:#}",
            command.task, run.id, run.dag
        )?;
        if state == crate::model::RunState::Failed {
            let faint = look::FAINT;
            writeln!(
                out,
                "{faint}run what is left of it: runner retry {}{faint:#}",
                run.id
            )?;
        }
        Ok(exit::OK)
    })
}

/// Marks in this process. A run that was interrupted can't be marked without going on: that is
/// shown.
async fn go_on(taken: Taken, run: &RunRow) -> anyhow::Result<()> {
    let Taken {
        mut host,
        mut heard,
        stored,
    } = taken;
    let spec = stored.spec.clone();
    host.resume(stored)
        .await
        .map_err(|reason| Mistake::new(format!("run {} can't go on: {reason}", run.id)))?;
    let first = heard.try_recv();
    match first {
        Ok(crate::daemon::News::Run { pipeline, .. }) if !run.state.is_finished() => {
            let out = Lenient::new(anstream::stdout());
            let live = Context::is_terminal();
            let mut view = View::new(out, live, false, &spec, pipeline.clone());
            view.head(&head(&pipeline, &spec))?;
            watch(host, view, heard).await?;
        }
        _ => host.run_until_idle().await?,
    }
    Ok(())
}

async fn is_so(
    store: &dyn RunStore,
    run: &RunRow,
    task: TaskIndex,
    wanted: &Outcome,
) -> anyhow::Result<bool> {
    let rows = store.task_runs(&run.id).await?;
    let own = rows
        .iter()
        .find(|row| row.id.task == task && row.id.item.is_none());
    Ok(matches!(
        own.map(|row| &row.state),
        Some(TaskState::Finished { outcome, .. })
            if std::mem::discriminant(outcome) == std::mem::discriminant(wanted)
    ))
}

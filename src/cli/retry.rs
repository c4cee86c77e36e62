//! `runner retry`: run again what failed, with all that comes after it.

use std::sync::Arc;

use super::arguments::Retry;
use super::context::{Context, runtime};
use super::engage::{Engaged, Taken, engage};
use super::follow::follow;
use super::live::View;
use super::output::Lenient;
use super::trigger::{exit_code, head, watch};
use super::{Mistake, find};
use crate::model::{Outcome, RunSpec, TaskIndex, TaskState};
use crate::spec::Pipeline;
use crate::store::{CommandKind, TaskRunRow};

pub fn run(context: &Context, command: &Retry) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.run).await?;
        let version = find::version(store.as_ref(), &run).await?;
        let tasks: Vec<TaskIndex> = command
            .tasks
            .iter()
            .map(|name| find::task(&version, name))
            .collect::<anyhow::Result<_>>()?;
        if tasks.is_empty() && run.state.is_finished() {
            let ended = store.task_runs(&run.id).await?;
            if !ended.iter().any(failed) {
                let mistake = format!("nothing failed in run {} of {}", run.id, run.dag);
                return Err(Mistake::new(mistake)
                    .help(format!(
                        "`runner retry {} TASK` runs a task again that didn't fail, and all that \
                         comes after it",
                        run.id
                    ))
                    .into());
            }
        }
        let stored = store.load(&run.id).await?;
        let spec = stored.map(|stored| stored.spec);
        let spec = spec.ok_or_else(|| anyhow::anyhow!("run {} is gone", run.id))?;
        let left_out = |name: &&String| {
            let only = spec.only.as_ref();
            only.is_some_and(|only| !only.contains(*name))
        };
        if let Some(name) = command.tasks.iter().find(left_out) {
            let mistake = format!("task `{name}` was left out of run {}", run.id);
            return Err(Mistake::new(mistake)
                .help("`runner trigger --only` or `--from` makes a new run of it")
                .into());
        }
        let pinned = || {
            project
                .pinned(&version)
                .map_err(|reason| Mistake::new(format!("run {} can't go on: {reason}", run.id)))
        };
        let wanted = CommandKind::Retry { tasks };
        let taken = match engage(context, &project, &store, &run, &wanted).await? {
            Engaged::Told(_) => {
                let view = view(command, &spec, &pinned()?)?;
                let state = follow(context, &project, &store, &run.id, view).await?;
                store.close().await;
                return Ok(exit_code(state));
            }
            Engaged::Taken(taken) => taken,
        };
        let Taken {
            mut host,
            heard,
            stored,
        } = *taken;
        let view = view(command, &spec, &pinned()?)?;
        if let Err(reason) = host.resume(stored).await {
            let mistake = format!("run {} can't go on: {reason}", run.id);
            return Err(Mistake::new(mistake).into());
        }
        let state = watch(host, view, heard).await?;
        store.close().await;
        Ok(exit_code(state))
    })
}

/// What shows the run, with its first line.
fn view(
    command: &Retry,
    spec: &RunSpec,
    pipeline: &Arc<Pipeline>,
) -> anyhow::Result<View<impl std::io::Write + use<>>> {
    let mut view = View::new(
        Lenient::new(anstream::stdout()),
        Context::is_terminal(),
        command.quiet,
        spec,
        pipeline.clone(),
    );
    view.head(&head(pipeline, spec))?;
    Ok(view)
}

/// Whether a task failed. Items of a group that a person has marked are of no concern.
fn failed(row: &TaskRunRow) -> bool {
    row.id.item.is_none()
        && matches!(
            &row.state,
            TaskState::Finished {
                outcome: Outcome::Failed(_) | Outcome::Cancelled | Outcome::UpstreamFailed,
                ..
            }
        )
}

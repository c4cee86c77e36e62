//! `runner retry`: run again what failed, with all that comes after it.

use std::io::Write as _;

use super::arguments::Retry;
use super::context::{Context, runtime};
use super::engage::{Engaged, Taken, engage};
use super::live::View;
use super::output::Lenient;
use super::trigger::{exit_code, head, watch};
use super::{Mistake, exit, find};
use crate::model::{Outcome, TaskIndex, TaskState};
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
        let wanted = CommandKind::Retry { tasks };
        let taken = match engage(context, &project, &store, &run, &wanted).await? {
            Engaged::Told(owner) => {
                writeln!(
                    anstream::stdout(),
                    "run {} of {} goes on in process {}: `runner logs {} --follow` shows it",
                    run.id,
                    run.dag,
                    owner.0,
                    run.id
                )?;
                return Ok(exit::OK);
            }
            Engaged::Taken(taken) => taken,
        };
        let Taken {
            mut host,
            heard,
            stored,
        } = *taken;
        let left_out = |name: &&String| {
            let only = stored.spec.only.as_ref();
            only.is_some_and(|only| !only.contains(*name))
        };
        if let Some(name) = command.tasks.iter().find(left_out) {
            let mistake = format!("task `{name}` was left out of run {}", run.id);
            return Err(Mistake::new(mistake)
                .help("`runner trigger --only` or `--from` makes a new run of it")
                .into());
        }
        let pipeline = project
            .pinned(&version)
            .map_err(|reason| Mistake::new(format!("run {} can't go on: {reason}", run.id)))?;
        let spec = stored.spec.clone();
        let mut view = View::new(
            Lenient::new(anstream::stdout()),
            Context::is_terminal(),
            command.quiet,
            &spec,
            pipeline.clone(),
        );
        view.head(&head(&pipeline, &spec))?;
        if let Err(reason) = host.resume(stored).await {
            let mistake = format!("run {} can't go on: {reason}", run.id);
            return Err(Mistake::new(mistake).into());
        }
        let state = watch(host, &run.id, view, heard).await?;
        store.close().await;
        Ok(exit_code(state))
    })
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

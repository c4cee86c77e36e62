//! `runner mark`: take a task's end as decided.

use std::io::Write as _;

use serde_json::json;

use super::arguments::{Decision, Mark};
use super::context::{Context, runtime};
use super::retry::TOLD;
use super::watch::{show, watch};
use super::{Mistake, exit, find, look};
use crate::model::{Outcome, RunState};
use crate::operate::change::{self, is_so};
use crate::operate::engage::{self, Engaged, PATIENCE, Taken, engage};
use crate::remote::Server;
use crate::store::{CommandKind, RunRow};

pub fn run(context: &Context, command: &Mark) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command));
    }
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.run).await?;
        let version = find::version(store.as_ref(), &run).await?;
        let task = find::task(&version, &command.task)?;
        let outcome = outcome(command.end);
        let wanted = CommandKind::Mark {
            task,
            outcome: outcome.clone(),
        };
        match engage(&context.places.state, &project, &store, &run, &wanted).await? {
            Engaged::Told(_) => {
                engage::until(store.as_ref(), &run, PATIENCE, async |row| {
                    Ok(is_so(store.as_ref(), &row.id, task, &outcome).await?
                        || row.state.is_finished())
                })
                .await?;
            }
            Engaged::Taken(taken) => go_on(*taken, &run).await?,
        }
        let marked = is_so(store.as_ref(), &run.id, task, &outcome).await?;
        let state = engage::state_of(store.as_ref(), &run).await?;
        store.close().await;
        if !marked {
            return Err(change::unmarkable(&command.task, &run.id).into());
        }
        say(command, &run, state)?;
        Ok(exit::OK)
    })
}

/// Has a server mark it.
async fn there(server: &Server, command: &Mark) -> anyhow::Result<u8> {
    let run = server.find(&command.run).await?;
    let word = match command.end {
        Decision::Success => "success",
        Decision::Skipped => "skipped",
        Decision::Failed => "failed",
    };
    let body = json!({ "task": command.task, "outcome": word });
    let parts = ["runs", run.id.as_str(), "mark"];
    let answer = server.send("POST", &parts, &body, None).await?;
    if answer.status == TOLD {
        anyhow::bail!("the process that carries it out hasn't answered yet; it was told");
    }
    say(command, &run, server.known(&answer.json)?.run.state)?;
    Ok(exit::OK)
}

fn outcome(end: Decision) -> Outcome {
    match end {
        Decision::Success => Outcome::Success,
        Decision::Skipped => Outcome::Skipped,
        Decision::Failed => change::failed_by_person(),
    }
}

/// Says how it stands.
fn say(command: &Mark, run: &RunRow, state: RunState) -> std::io::Result<()> {
    let marked = outcome(command.end);
    let (_, word, style) = look::outcome(&marked);
    let run_style = look::run_state(state);
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "{} is {style}{word}{style:#}; run {} of {} is {run_style}{state}{run_style:#}",
        command.task, run.id, run.dag
    )?;
    if state == RunState::Failed {
        let faint = look::FAINT;
        writeln!(
            out,
            "{faint}run what is left of it: runner retry {}{faint:#}",
            run.id
        )?;
    }
    Ok(())
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
            watch(host, show(&pipeline, &spec, false)?, heard).await?;
        }
        _ => host.run_until_idle().await?,
    }
    Ok(())
}

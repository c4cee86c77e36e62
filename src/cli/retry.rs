//! `runner retry`: run again what failed, with all that comes after it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::arguments::Retry;
use super::context::{Context, runtime};
use super::follow::{self, follow};
use super::watch::{exit_code, show, watch};
use super::{Mistake, find};
use crate::operate::change;
use crate::operate::engage::{Engaged, PATIENCE, Taken, engage};
use crate::remote::Server;

/// The status of what was told and not heard yet.
pub const TOLD: u16 = 202;
/// Between two looks at what becomes of it.
const LOOK: Duration = Duration::from_millis(200);

pub fn run(context: &Context, command: &Retry) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command));
    }
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.run).await?;
        let version = find::version(store.as_ref(), &run).await?;
        let asked = match (command.item, command.tasks.as_slice()) {
            (None, tasks) => change::retry(store.as_ref(), &run, &version, tasks).await?,
            (Some(item), [task]) => {
                change::retry_item(store.as_ref(), &run, &version, task, item).await?
            }
            (Some(_), _) => return Err(Mistake::new("`--item` needs one task").into()),
        };
        let (wanted, spec) = asked;
        let pinned = || {
            project
                .pinned(&version)
                .map_err(|reason| Mistake::new(format!("run {} can't go on: {reason}", run.id)))
        };
        let taken = match engage(&context.places.state, &project, &store, &run, &wanted).await? {
            Engaged::Told(_) => {
                let view = show(&*pinned()?, &spec, command.quiet)?;
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
        let view = show(&*pinned()?, &spec, command.quiet)?;
        if let Err(reason) = host.resume(stored).await {
            let mistake = format!("run {} can't go on: {reason}", run.id);
            return Err(Mistake::new(mistake).into());
        }
        let state = watch(host, view, heard).await?;
        store.close().await;
        Ok(exit_code(state))
    })
}

/// Has a server run it again, and shows what becomes of it.
async fn there(server: &Server, command: &Retry) -> anyhow::Result<u8> {
    let before = server.find(&command.run).await?;
    let mut body = json!({ "tasks": command.tasks });
    if let Some(item) = command.item {
        body["item"] = item.into();
    }
    let parts = ["runs", before.id.as_str(), "retry"];
    let answer = server.send("POST", &parts, &body, None).await?;
    if answer.status == TOLD {
        // What it was before is not what becomes of it.
        let told = Instant::now();
        loop {
            let now = server.run(&before.id).await?.0.run;
            if !now.state.is_finished() || now.finished != before.finished {
                break;
            }
            if told.elapsed() > PATIENCE {
                anyhow::bail!("the process that carries it out hasn't answered yet; it was told");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    let state = follow::there(server, &before.id, command.quiet).await?;
    Ok(exit_code(state))
}

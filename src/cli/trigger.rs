//! `runner trigger`: run a DAG now and show it as it happens.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::arguments::Trigger;
use super::context::Context;
use super::resume::adopt;
use super::watch::{exit_code, head, head_of, show, watch};
use super::{Mistake, engage, exit, follow, look};
use crate::daemon::NewRun;
use crate::daemon::clock::{now, random};
use crate::daemon::schedule::DaemonLock;
use crate::model::{RunSpec, Timestamp};
use crate::operate::start::{self, Wanted};
use crate::remote::{Refusal, Server};
use crate::spec::{Pipeline, Project};
use crate::store::{Owner, RunStore};

pub fn run(context: &Context, command: &Trigger) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return super::context::runtime()?.block_on(there(server, command));
    }
    if command.dry_run {
        let (_, pipeline, spec) = wanted(context, command)?;
        return dry_run(&pipeline, &spec);
    }
    let runtime = super::context::runtime()?;
    let opening = context.begin_opening(&runtime);
    let (project, pipeline, spec) = wanted(context, command)?;
    runtime.block_on(async {
        let store: Arc<dyn RunStore> = opening.end(context).await?;
        if let Some(daemon) = DaemonLock::holder(&context.places.state) {
            let code = hand_over(context, command, &project, &store, &pipeline, &spec, daemon);
            return code.await;
        }
        if command.detach {
            return Err(Mistake::new("nobody is there to carry the run out")
                .help("`runner schedule` does; without `--detach` this command does it itself")
                .into());
        }
        let (mut host, heard) = engage::host(&context.places.state, &project, &store)?;
        let resumed = adopt(&mut host, &project, store.as_ref(), Some(&pipeline.id)).await?;
        for run in &resumed {
            let faint = look::FAINT;
            writeln!(
                anstream::stdout(),
                "{faint}resuming run {run} of {}, which was interrupted{faint:#}",
                pipeline.id
            )?;
        }
        let new = NewRun {
            spec: spec.clone(),
            pipeline: pipeline.clone(),
        };
        host.accept(new).await?;
        let view = show(&pipeline, &spec, command.quiet)?;
        let state = watch(host, view, heard).await?;
        store.close().await;
        Ok(exit_code(state))
    })
}

/// Has a server begin the run, and shows what becomes of it.
async fn there(server: &Server, command: &Trigger) -> anyhow::Result<u8> {
    if command.dry_run {
        return Err(
            Mistake::new("`--dry-run` of `runner trigger` doesn't work through a server")
                .help("`runner show DAG` shows its tasks")
                .into(),
        );
    }
    let params: serde_json::Map<String, Json> = command
        .param
        .iter()
        .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
        .collect();
    let mut body = json!({ "params": params, "only": command.only });
    for (name, value) in [
        ("data_interval", &command.data_interval),
        ("from", &command.from),
    ] {
        if let Some(value) = value {
            body[name] = Json::from(value.as_str());
        }
    }
    // Asked once more after a lost connection, it is begun once.
    let key = format!("cli-{:016x}{:016x}", random(), random());
    let parts = ["dags", command.dag.as_str(), "runs"];
    let mut answer = server.send("POST", &parts, &body, Some(&key)).await;
    if answer.as_ref().is_err_and(Refusal::is_away) {
        answer = server.send("POST", &parts, &body, Some(&key)).await;
    }
    let run = server.known(&answer?.json)?.run;
    if command.detach {
        let head = head_of(&run.dag, &run.id, &run.params);
        writeln!(anstream::stdout(), "{head}")?;
        return Ok(exit::OK);
    }
    let state = follow::there(server, &run.id, command.quiet).await?;
    Ok(exit_code(state))
}

/// Gives the run to the daemon, and shows what becomes of it.
async fn hand_over(
    context: &Context,
    command: &Trigger,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    pipeline: &Arc<Pipeline>,
    spec: &RunSpec,
    daemon: Owner,
) -> anyhow::Result<u8> {
    let state = &context.places.state;
    // If it has ended meanwhile, the run is taken over below.
    let is_heard = start::hand_over(state, store.as_ref(), pipeline, spec, &daemon).await?;
    if command.detach {
        let mut out = anstream::stdout();
        writeln!(out, "{}", head(pipeline, spec))?;
        if !is_heard {
            writeln!(
                out,
                "the daemon has just ended: the run begins when it is back"
            )?;
        }
        store.close().await;
        return Ok(exit::OK);
    }
    let view = show(pipeline, spec, command.quiet)?;
    let state = follow::follow(context, project, store, &spec.id, view).await?;
    store.close().await;
    Ok(exit_code(state))
}

/// The run that is to be.
fn wanted(
    context: &Context,
    command: &Trigger,
) -> anyhow::Result<(Arc<Project>, Arc<Pipeline>, RunSpec)> {
    let (project, pipeline) = context.pipeline(&command.dag)?;
    let spec = run_spec(&project, &pipeline, command, now())?;
    Ok((project, pipeline, spec))
}

fn run_spec(
    project: &Project,
    pipeline: &Pipeline,
    command: &Trigger,
    now: Timestamp,
) -> anyhow::Result<RunSpec> {
    let params = pipeline
        .params
        .bind(&command.param)
        .map_err(|errors| Mistake::new(errors.join("\n")))?;
    start::no_secrets(project, &params)?;
    let wanted = Wanted {
        params,
        interval: command.data_interval.as_deref(),
        only: &command.only,
        from: command.from.as_deref(),
    };
    Ok(start::run_spec(pipeline, wanted, now)?)
}

/// Shows what would run.
fn dry_run(pipeline: &Arc<Pipeline>, spec: &RunSpec) -> anyhow::Result<u8> {
    let mut out = anstream::stdout().lock();
    let faint = look::FAINT;
    writeln!(out, "{}  {faint}(dry run){faint:#}", head(pipeline, spec))?;
    writeln!(
        out,
        "  data interval {} to {}",
        spec.interval.start.format("%Y-%m-%dT%H:%M:%SZ"),
        spec.interval.end.format("%Y-%m-%dT%H:%M:%SZ")
    )?;
    let width = pipeline
        .tasks
        .iter()
        .map(|task| task.id.as_str().len())
        .max()
        .unwrap_or(0);
    for (task, shape) in pipeline.tasks.iter().zip(&pipeline.dag.tasks) {
        let left_out = spec
            .only
            .as_ref()
            .is_some_and(|only| !only.iter().any(|name| name == task.id.as_str()));
        let after: Vec<&str> = shape
            .needs
            .iter()
            .map(|need| pipeline.dag.task(*need).id.as_str())
            .collect();
        let mut facts = Vec::new();
        if left_out {
            facts.push("left out".to_owned());
        }
        if task.foreach.is_some() {
            facts.push("for each item".to_owned());
        }
        if let Some(condition) = &task.condition {
            facts.push(format!("if {}", condition.source()));
        }
        if !after.is_empty() {
            facts.push(format!("after {}", after.join(", ")));
        }
        let line = format!(
            "  {} {:<6}  {faint}{}{faint:#}",
            look::fit(task.id.as_str(), width),
            task.kind,
            facts.join(" · ")
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(exit::OK)
}

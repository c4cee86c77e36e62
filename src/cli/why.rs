//! `runner why`: why a DAG, a run or a task doesn't run, or how it ended.

use std::io::Write as _;

use serde::Deserialize;
use serde_json::Value as Json;

use super::arguments::{Format, Why};
use super::context::{Context, runtime};
use super::next::looked;
use super::{exit, find, look, moment, output, why_run};
use crate::daemon::clock::now;
use crate::engine::plan::SkipReason;
use crate::model::Timestamp;
use crate::operate::why::{Told, starts};
use crate::operate::words::plural;
use crate::remote::Server;
use crate::store::RunRow;

pub fn run(context: &Context, command: &Why) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command));
    }
    let (project, loaded) = context.project()?;
    let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    let is_broken = broken.into_iter().any(|dag| dag == command.name);
    let is_dag = is_broken || project.pipelines.contains_key(command.name.as_str());
    if is_dag && command.task.is_none() {
        let (project, pipeline) = context.pipeline(&command.name)?;
        return runtime()?.block_on(async {
            let now = now();
            let looked = looked(context, &project, now).await?;
            let mut told = Told::new(&context.places.state, &pipeline, &looked, now);
            if let Some(store) = context.store_if_any().await? {
                told.read(&context.places.state, store.as_ref()).await?;
                store.close().await;
            }
            Shown::new(&told, now).print(&told.json(), command.format)
        });
    }
    runtime()?.block_on(async {
        let store = context.store().await?;
        let row = find::run(context, store.as_ref(), &command.name).await?;
        let told = why_run::why(context, &project, store.as_ref(), &row, command).await;
        store.close().await;
        told
    })
}

/// Asks a server.
async fn there(server: &Server, command: &Why) -> anyhow::Result<u8> {
    if command.task.is_none() && server.dag(&command.name).await?.is_some() {
        let json = server.get(&["dags", &command.name, "why"], &[]).await?;
        let mut shown: Shown = server.read(&json)?;
        shown.now = now();
        if let Some(run) = json.get("last_run").filter(|run| !run.is_null()) {
            let known = server.known(run)?;
            shown.last = Some((known.run, known.interrupted));
        }
        return shown.print(&json, command.format);
    }
    let run = server.find(&command.name).await?;
    let query = command.task.iter().map(|task| ("task", task.clone()));
    let query: Vec<_> = query.collect();
    let parts = ["runs", run.id.as_str(), "why"];
    let json = server.get(&parts, &query).await?;
    let shown: why_run::Shown = server.read(&json)?;
    shown.print(&json, command)
}

/// A DAG's reason, printed.
#[derive(Debug, Deserialize)]
struct Shown {
    dag: String,
    starts: String,
    reason: String,
    troubles: Vec<Trouble>,
    running: Vec<String>,
    skipped: Option<Skipped>,
    #[serde(skip)]
    last: Option<(RunRow, bool)>,
    #[serde(skip)]
    now: Timestamp,
}

/// What a trigger can't look at.
#[derive(Debug, Deserialize)]
struct Trouble {
    trigger: String,
    since: Timestamp,
    message: String,
}

/// Ticks that didn't run.
#[derive(Debug, Deserialize)]
struct Skipped {
    last: Timestamp,
    count: u64,
    reason: SkipReason,
}

impl Shown {
    fn new(told: &Told<'_>, now: Timestamp) -> Self {
        let troubles = told.troubles.iter().map(|(trigger, trouble)| Trouble {
            trigger: trigger.clone(),
            since: trouble.since,
            message: trouble.message.clone(),
        });
        Self {
            dag: told.pipeline.id.to_string(),
            starts: starts(told.pipeline),
            reason: told.reason(),
            troubles: troubles.collect(),
            running: told.running.iter().map(ToString::to_string).collect(),
            skipped: told.skipped.as_ref().map(|skipped| Skipped {
                last: skipped.last,
                count: skipped.count,
                reason: skipped.reason,
            }),
            last: told.last.clone(),
            now,
        }
    }

    fn print(&self, json: &Json, format: Format) -> anyhow::Result<u8> {
        let mut out = output::stdout();
        if format == Format::Json {
            writeln!(out, "{json:#}")?;
            out.flush()?;
            return Ok(exit::OK);
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        writeln!(out, "{bold}{}{bold:#}  {}", self.dag, self.starts)?;
        for line in output::wrapped(&self.reason, 2) {
            writeln!(out, "{line}")?;
        }
        for (name, text) in self.facts() {
            writeln!(out, "  {faint}{name:<9}{faint:#}{text}")?;
        }
        out.flush()?;
        Ok(exit::OK)
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        for trouble in &self.troubles {
            let since = moment::planned(trouble.since, self.now);
            let (bad, message, trigger) = (look::BAD, &trouble.message, &trouble.trigger);
            facts.push((
                "trouble",
                format!("{bad}{message}{bad:#}, looking for {trigger} since {since}"),
            ));
        }
        for run in &self.running {
            facts.push(("running", format!("{run} (runner why {run})")));
        }
        if let Some((row, interrupted)) = &self.last
            && !self.running.iter().any(|run| run == row.id.as_str())
        {
            let (word, style) = find::state_word(row.state, *interrupted);
            let at = row.finished.or(row.started).unwrap_or(row.created);
            let age = moment::short(at, self.now);
            facts.push((
                "last run",
                format!("{}  {style}{word}{style:#} {age}", row.id),
            ));
        }
        if let Some(skipped) = &self.skipped {
            let count = usize::try_from(skipped.count).unwrap_or(usize::MAX);
            let ticks = plural(count, "tick", "ticks");
            let last = moment::short(skipped.last, self.now);
            let reason = skipped.reason.words();
            facts.push(("skipped", format!("{ticks}, the last {last}: {reason}")));
        }
        facts
    }
}

//! `runner why`: why a DAG, a run or a task doesn't run, or how it ended.

use std::io::Write as _;

use super::arguments::{Format, Why};
use super::context::{Context, runtime};
use super::next::looked;
use super::{exit, find, look, moment, output, why_run};
use crate::daemon::clock::now;
use crate::operate::why::{Told, starts};
use crate::operate::words::plural;

pub fn run(context: &Context, command: &Why) -> anyhow::Result<u8> {
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
            Shown(told).print(command.format)
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

/// A DAG's reason, printed.
struct Shown<'a>(Told<'a>);

impl Shown<'_> {
    fn print(&self, format: Format) -> anyhow::Result<u8> {
        let mut out = output::stdout();
        if format == Format::Json {
            writeln!(out, "{:#}", self.0.json())?;
            out.flush()?;
            return Ok(exit::OK);
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        let dag = &self.0.pipeline.id;
        writeln!(out, "{bold}{dag}{bold:#}  {}", starts(self.0.pipeline))?;
        for line in output::wrapped(&self.0.reason(), 2) {
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
        for (trigger, trouble) in &self.0.troubles {
            let since = moment::planned(trouble.since, self.0.now);
            let (bad, message) = (look::BAD, &trouble.message);
            facts.push((
                "trouble",
                format!("{bad}{message}{bad:#}, looking for {trigger} since {since}"),
            ));
        }
        for run in &self.0.running {
            facts.push(("running", format!("{run} (runner why {run})")));
        }
        if let Some((row, interrupted)) = &self.0.last
            && !self.0.running.contains(&row.id)
        {
            let (word, style) = find::state_word(row.state, *interrupted);
            let at = row.finished.or(row.started).unwrap_or(row.created);
            let age = moment::short(at, self.0.now);
            facts.push((
                "last run",
                format!("{}  {style}{word}{style:#} {age}", row.id),
            ));
        }
        if let Some(skipped) = &self.0.skipped {
            let count = usize::try_from(skipped.count).unwrap_or(usize::MAX);
            let ticks = plural(count, "tick", "ticks");
            let last = moment::short(skipped.last, self.0.now);
            let reason = skipped.reason.words();
            facts.push(("skipped", format!("{ticks}, the last {last}: {reason}")));
        }
        facts
    }
}

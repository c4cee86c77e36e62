//! `runner why`: why a DAG, a run or a task doesn't run, or how it ended.

use std::io::Write as _;

use serde_json::{Value as Json, json};

use super::arguments::{Format, Why};
use super::context::{Context, runtime};
use super::next::looked;
use super::{as_json, exit, find, look, moment, output, why_run};
use crate::daemon::clock::now;
use crate::daemon::schedule::{DaemonLock, Look};
use crate::document::units::format_duration;
use crate::engine::plan::{Decision, Trouble, Waiting};
use crate::model::{DagId, RunId, Timestamp};
use crate::spec::Pipeline;
use crate::store::{Owner, RunFilter, RunRow, RunStore, SkippedTicks};

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
            let mut told = Told::new(context, &pipeline, &looked, now);
            if let Some(store) = context.store_if_any().await? {
                told.read(context, store.as_ref()).await?;
                store.close().await;
            }
            told.print(command.format)
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

/// Why a DAG doesn't begin a run now.
struct Told<'a> {
    pipeline: &'a Pipeline,
    waiting: Option<Waiting>,
    /// A run that a daemon would begin now.
    due: Option<Timestamp>,
    running: Vec<RunId>,
    /// Whether something outside would begin a run now.
    takes: bool,
    /// What triggers can't look at.
    troubles: Vec<(String, Trouble)>,
    daemon: Option<Owner>,
    last: Option<(RunRow, bool)>,
    skipped: Option<SkippedTicks>,
    now: Timestamp,
}

impl<'a> Told<'a> {
    fn new(context: &Context, pipeline: &'a Pipeline, looked: &Look, now: Timestamp) -> Self {
        let due = looked.due.iter().find_map(|decision| match decision {
            Decision::Start { dag, occurrence } if *dag == pipeline.id => Some(occurrence.tick),
            _ => None,
        });
        let running = looked.planner.running(&pipeline.id);
        let troubles = looked.planner.troubles(&pipeline.id);
        let troubles = troubles.map(|(trigger, trouble)| (trigger.to_owned(), trouble.clone()));
        Self {
            pipeline,
            waiting: looked.planner.why(&pipeline.id),
            due,
            running: running.map(|active| active.run.clone()).collect(),
            takes: looked.planner.takes(&pipeline.id) > 0,
            troubles: troubles.collect(),
            daemon: DaemonLock::holder(&context.places.state),
            last: None,
            skipped: None,
            now,
        }
    }

    async fn read(&mut self, context: &Context, store: &dyn RunStore) -> anyhow::Result<()> {
        let latest = RunFilter {
            dag: Some(self.pipeline.id.clone()),
            limit: 1,
            ..RunFilter::default()
        };
        if let Some(row) = store.runs(&latest).await?.pop() {
            self.last = Some(find::look_at(&context.places.state, store, row).await?);
        }
        self.skipped = store.skipped(Some(&self.pipeline.id), 1).await?.pop();
        Ok(())
    }

    fn print(&self, format: Format) -> anyhow::Result<u8> {
        let mut out = output::stdout();
        if format == Format::Json {
            writeln!(out, "{:#}", self.json())?;
            out.flush()?;
            return Ok(exit::OK);
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        let dag = &self.pipeline.id;
        writeln!(out, "{bold}{dag}{bold:#}  {}", starts(self.pipeline))?;
        for line in output::wrapped(&self.reason(), 2) {
            writeln!(out, "{line}")?;
        }
        for (name, text) in self.facts() {
            writeln!(out, "  {faint}{name:<9}{faint:#}{text}")?;
        }
        out.flush()?;
        Ok(exit::OK)
    }

    /// The reason in a sentence.
    fn reason(&self) -> String {
        let dag = &self.pipeline.id;
        let nobody = self.daemon.is_none();
        if self.due == Some(self.now) && nobody {
            return "would begin now, and no daemon is here: runner schedule".to_owned();
        }
        if let Some(tick) = self.due {
            let since = moment::planned(tick, self.now);
            return if nobody {
                format!("is due since {since}, and no daemon is here to begin it: runner schedule")
            } else {
                format!("is due since {since}: the daemon is about to begin it")
            };
        }
        let Some(waiting) = &self.waiting else {
            return "isn't known".to_owned();
        };
        let text = match waiting {
            Waiting::NoSchedule if !self.pipeline.triggers.is_empty() => self.outside(),
            Waiting::NoSchedule => {
                return format!("nothing starts it by itself: runner trigger {dag}");
            }
            Waiting::Over => "its schedule has no tick any more".to_owned(),
            Waiting::Paused => return format!("is paused: runner unpause {dag} lets it go on"),
            Waiting::Until { tick, start } => {
                let ahead = moment::ahead(*start, self.now);
                let at = moment::planned(*tick, self.now);
                let later = (*start - *tick).to_std().unwrap_or_default();
                let tick = if later.is_zero() {
                    format!("waits for its next tick, {at} ({ahead})")
                } else {
                    let later = format_duration(later);
                    format!("waits for its next tick, {at}, and starts {later} later ({ahead})")
                };
                match waits_for(self.pipeline) {
                    Some(words) => format!("{tick}, or for {words}"),
                    None => tick,
                }
            }
            Waiting::Running { runs, waiting } => {
                let starts = plural(*waiting, "start waits", "starts wait");
                let runs = list(runs.iter().map(RunId::as_str));
                format!("{starts} for the end of {runs}")
            }
            Waiting::Past { waiting } => {
                let starts = plural(*waiting, "start waits", "starts wait");
                format!(
                    "{starts} for the run before to succeed (`depends_on_past`): mend it with \
                     runner retry, or runner mark"
                )
            }
            Waiting::Others {
                interval,
                dags,
                datasets,
            } => {
                let others = others(interval.as_ref(), dags, datasets);
                match waits_for(self.pipeline) {
                    Some(words) => format!("{others}, or for {words}"),
                    None => others,
                }
            }
            Waiting::Restart(at) => format!(
                "the stream has ended and begins again {} ({})",
                moment::planned(*at, self.now),
                moment::ahead(*at, self.now)
            ),
            Waiting::Streaming(runs) if runs.is_empty() => "the stream isn't running".to_owned(),
            Waiting::Streaming(runs) => {
                format!(
                    "is a stream and runs: {}",
                    list(runs.iter().map(RunId::as_str))
                )
            }
        };
        if nobody {
            format!("{text}; no daemon is here: runner schedule")
        } else {
            text
        }
    }

    /// What it waits for outside.
    fn outside(&self) -> String {
        let words = waits_for(self.pipeline).unwrap_or_default();
        if self.takes {
            return format!("waits for {words}");
        }
        let runs = list(self.running.iter().map(RunId::as_str));
        if self.running.is_empty() {
            return format!(
                "what comes ({words}) waits for the run before to succeed (`depends_on_past`): mend \
                 it with runner retry, or runner mark"
            );
        }
        format!("what comes now ({words}) waits for the end of {runs}")
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        for (trigger, trouble) in &self.troubles {
            let since = moment::planned(trouble.since, self.now);
            let (bad, message) = (look::BAD, &trouble.message);
            facts.push((
                "trouble",
                format!("{bad}{message}{bad:#}, looking for {trigger} since {since}"),
            ));
        }
        for run in &self.running {
            facts.push(("running", format!("{run} (runner why {run})")));
        }
        if let Some((row, interrupted)) = &self.last
            && !self.running.contains(&row.id)
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

    fn json(&self) -> Json {
        let (word, until) = match &self.waiting {
            _ if self.due.is_some() => ("due", self.due),
            None => ("unknown", None),
            Some(Waiting::NoSchedule) if !self.pipeline.triggers.is_empty() => ("trigger", None),
            Some(Waiting::NoSchedule) => ("by_hand", None),
            Some(Waiting::Paused) => ("paused", None),
            Some(Waiting::Until { start, .. }) => ("tick", Some(*start)),
            Some(Waiting::Over) => ("over", None),
            Some(Waiting::Running { .. }) => ("runs", None),
            Some(Waiting::Past { .. }) => ("depends_on_past", None),
            Some(Waiting::Others { .. }) => ("after", None),
            Some(Waiting::Restart(at)) => ("restart", Some(*at)),
            Some(Waiting::Streaming(_)) => ("stream", None),
        };
        json!({
            "dag": self.pipeline.id.as_str(),
            "waits_for": word,
            "until": until.map(moment::utc),
            "reason": self.reason(),
            "troubles": self.troubles.iter().map(|(trigger, trouble)| json!({
                "trigger": trigger,
                "since": moment::utc(trouble.since),
                "message": trouble.message,
            })).collect::<Vec<_>>(),
            "running": self.running.iter().map(RunId::as_str).collect::<Vec<_>>(),
            "daemon": self.daemon.as_ref().map(|owner| owner.0.clone()),
            "last_run": self.last.as_ref().map(|(row, gone)| as_json::run(row, *gone)),
            "skipped": self.skipped.as_ref().map(|skipped| json!({
                "first": moment::utc(skipped.first),
                "last": moment::utc(skipped.last),
                "count": skipped.count,
                "reason": skipped.reason,
            })),
        })
    }
}

fn others(
    interval: Option<&crate::model::DataInterval>,
    dags: &[DagId],
    datasets: &[crate::model::DatasetId],
) -> String {
    let mut parts = Vec::new();
    if !dags.is_empty() {
        let names = list(dags.iter().map(DagId::as_str));
        parts.push(match interval {
            Some(interval) => format!(
                "for {names} to succeed for the data from {} to {}, as others have",
                moment::utc(interval.start),
                moment::utc(interval.end)
            ),
            None => format!("for {names} to succeed"),
        });
    }
    if !datasets.is_empty() {
        let names = list(datasets.iter().map(crate::model::DatasetId::as_str));
        parts.push(format!("for {names} to be newer than its last start"));
    }
    format!("waits {}", parts.join(", and "))
}

/// What starts a DAG, in a few words.
pub fn starts(pipeline: &Pipeline) -> String {
    let after = &pipeline.after;
    let after = (!after.is_empty()).then(|| format!("after {}", list(after.names())));
    let schedule = pipeline.schedule.as_ref();
    let clock = schedule.map(crate::model::Schedule::describe);
    let triggers = pipeline.triggers.iter().map(|spec| spec.trigger.words());
    let ways: Vec<String> = after.into_iter().chain(clock).chain(triggers).collect();
    if ways.is_empty() {
        return "by hand".to_owned();
    }
    ways.join(", or ")
}

/// What a DAG waits for outside; `None`: nothing.
fn waits_for(pipeline: &Pipeline) -> Option<String> {
    let triggers = pipeline.triggers.iter();
    let words: Vec<String> = triggers.map(|spec| spec.trigger.awaited()).collect();
    (!words.is_empty()).then(|| words.join(", or "))
}

/// `a`, `a and b`, `a, b and c`; of many the first few.
pub fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 6;
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= MOST => format!("{} and {last}", first.join(", ")),
        _ => format!(
            "{} and {} more",
            names[..MOST].join(", "),
            names.len() - MOST
        ),
    }
}

/// A count and its noun.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", look::count(count as u64))
    }
}

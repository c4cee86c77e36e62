//! `runner simulate`: the schedules run forward in a moment.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anstyle::Style;
use serde_json::{Value as Json, json};

use super::arguments::{Format, Simulate};
use super::bars::{self, Height, Lane, Mark, Stretch};
use super::context::{Context, runtime};
use super::next::{chosen, looked};
use super::{Mistake, exit, look, moment, output};
use crate::daemon::clock::now;
use crate::daemon::schedule::plan_of;
use crate::document::units::format_duration;
use crate::engine::Why;
use crate::engine::simulation::{Actor, Foreseen, ForeseenLate, ForeseenWait, simulate};
use crate::model::{DagId, Schedule, Timestamp};
use crate::operate::durations::{self, Durations};
use crate::operate::words::{list, plural};
use crate::spec::Pipeline;

/// So many lines of a kind are shown.
const MOST: usize = 8;

pub fn run(context: &Context, command: &Simulate) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    let pipelines = chosen(&project, &command.dag)?;
    let now = now();
    let from = command.from.map_or(now, |from| from.after(now));
    let to = command.to.after(from);
    if to <= from {
        return Err(Mistake::new("`--to` isn't after `--from`").into());
    }
    let mut durations = Durations::read(&command.durations, &pipelines)?;
    let looked = runtime()?.block_on(async {
        if let Some(store) = context.store_if_any().await? {
            durations.remember(store.as_ref(), &pipelines).await?;
            store.close().await;
        }
        looked(context, &project, now).await
    })?;
    let takes_part = |pipeline: &&Arc<Pipeline>| {
        let stream = pipeline.schedule == Some(Schedule::Always);
        !stream && !looked.planner.is_paused(&pipeline.id)
    };
    let (playing, left_out): (Vec<_>, Vec<_>) = pipelines.iter().partition(takes_part);
    let actors = playing.iter().map(|pipeline| Actor {
        plan: plan_of(pipeline),
        dag: pipeline.dag.clone(),
        parts: durations.parts(pipeline),
    });
    let foreseen = simulate(actors.collect(), &project.settings.limits, from, to);
    let shown = Shown {
        foreseen,
        from,
        to: to.max(from),
        names: playing
            .iter()
            .map(|pipeline| (pipeline.id.clone(), (*pipeline).clone()))
            .collect(),
        left_out: left_out
            .iter()
            .map(|pipeline| pipeline.id.as_str())
            .collect(),
        guessed: durations.guessed(),
    };
    let mut out = output::stdout();
    if command.format == Format::Json {
        writeln!(out, "{:#}", shown.json())?;
    } else {
        shown.print(&mut out, now)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

struct Shown<'a> {
    foreseen: Foreseen,
    from: Timestamp,
    to: Timestamp,
    names: BTreeMap<DagId, Arc<Pipeline>>,
    left_out: Vec<&'a str>,
    /// Tasks whose duration nobody knows.
    guessed: Vec<String>,
}

impl Shown<'_> {
    fn print(&self, out: &mut dyn Write, now: Timestamp) -> anyhow::Result<()> {
        let faint = look::FAINT;
        let (from, to) = (day(self.from), day(self.to));
        let span = format_duration((self.to - self.from).to_std().unwrap_or_default());
        writeln!(out, "{from} to {to} {faint}({span}){faint:#}\n")?;
        let lanes = self.lanes();
        if lanes.is_empty() {
            writeln!(out, "{faint}nothing would run{faint:#}")?;
        } else {
            let columns = output::columns();
            bars::print(out, (self.from, self.to), &lanes, Height::Share, columns)?;
        }
        self.print_late(out, now)?;
        self.print_skipped(out, now)?;
        self.print_waits(out, now)?;
        let mut notes = Vec::new();
        if let Some(at) = self.foreseen.cut {
            let at = moment::planned(at, now);
            notes.push(format!("cut at {at}: too much happens for one look"));
        }
        if !self.left_out.is_empty() {
            let names = list(self.left_out.iter().copied());
            notes.push(format!("left out, as paused or a stream: {names}"));
        }
        if !self.guessed.is_empty() {
            let names = list(self.guessed.iter().map(String::as_str));
            notes.push(format!(
                "nobody knows how long they take, {} is assumed: {names}",
                format_duration(durations::GUESS)
            ));
        }
        if !notes.is_empty() {
            writeln!(out)?;
        }
        for note in notes {
            for line in output::wrapped(&note, 0) {
                writeln!(out, "{faint}{line}{faint:#}")?;
            }
        }
        Ok(())
    }

    fn lanes(&self) -> Vec<Lane> {
        let mut lanes = Vec::new();
        for dag in self.names.keys() {
            let runs: Vec<_> = self
                .foreseen
                .runs
                .iter()
                .filter(|run| run.dag == *dag)
                .collect();
            let skipped = self.foreseen.skipped.iter().filter(|skip| skip.dag == *dag);
            let skipped: u64 = skipped.map(|skip| skip.count).sum();
            let late = self.foreseen.late.iter().filter(|late| late.dag == *dag);
            let late = late.count();
            if runs.is_empty() && skipped == 0 {
                continue;
            }
            let mut stretches = Vec::new();
            for run in &runs {
                let until = run.ended.map_or(self.to, |(_, at)| at);
                let is_late = self
                    .foreseen
                    .late
                    .iter()
                    .any(|late| late.run.as_ref() == Some(&run.id));
                stretches.push(Stretch {
                    from: run.occurrence.tick,
                    until: run.begun,
                    mark: Mark::Waiting,
                });
                stretches.push(Stretch {
                    from: run.begun,
                    until,
                    mark: if is_late { Mark::Late } else { Mark::Done },
                });
            }
            stretches.retain(|one| one.mark != Mark::Waiting || one.until > one.from);
            let mut facts = vec![(plural(runs.len(), "run", "runs"), Style::new())];
            if skipped > 0 {
                facts.push((format!("{} skipped", look::count(skipped)), look::WARN));
            }
            if late > 0 {
                facts.push((format!("{} late", look::count(late as u64)), look::WARN));
            }
            lanes.push(Lane {
                name: dag.to_string(),
                stretches,
                facts,
            });
        }
        lanes
    }

    fn print_late(&self, out: &mut dyn Write, now: Timestamp) -> std::io::Result<()> {
        let late = &self.foreseen.late;
        if late.is_empty() {
            return Ok(());
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        writeln!(out, "\n{bold}late{bold:#}")?;
        let mut groups: BTreeMap<&DagId, Vec<&ForeseenLate>> = BTreeMap::new();
        for one in late {
            groups.entry(&one.dag).or_default().push(one);
        }
        for (dag, late) in groups.iter().take(MOST) {
            let after = |one: &&&ForeseenLate| self.end_of(one) - one.deadline;
            let Some(worst) = late.iter().max_by_key(after) else {
                continue;
            };
            let runs = plural(late.len(), "run", "runs");
            let tick = moment::planned(worst.scheduled, now);
            let over = (self.end_of(worst) - worst.deadline).to_std();
            let over = format_duration(over.unwrap_or_default());
            let which = if late.len() == 1 {
                "that of"
            } else {
                "most that of"
            };
            writeln!(
                out,
                "  {dag}  {runs}, {which} {tick}  {faint}over {over} after its deadline{faint:#}"
            )?;
        }
        more(out, groups.len())
    }

    /// When a late run is over; one that goes on ends with the simulation.
    fn end_of(&self, late: &ForeseenLate) -> Timestamp {
        let mut runs = self.foreseen.runs.iter();
        let run = runs.find(|run| run.dag == late.dag && run.occurrence.tick == late.scheduled);
        run.and_then(|run| run.ended).map_or(self.to, |(_, at)| at)
    }

    fn print_skipped(&self, out: &mut dyn Write, now: Timestamp) -> std::io::Result<()> {
        let mut groups: BTreeMap<(&DagId, &str), (u64, Timestamp, Timestamp)> = BTreeMap::new();
        for skip in &self.foreseen.skipped {
            let key = (&skip.dag, skip.reason.words());
            let group = groups.entry(key).or_insert((0, skip.first, skip.last));
            group.0 += skip.count;
            group.2 = skip.last;
        }
        if groups.is_empty() {
            return Ok(());
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        writeln!(out, "\n{bold}skipped{bold:#}")?;
        for ((dag, reason), (count, first, last)) in groups.iter().take(MOST) {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            let ticks = plural(count, "tick", "ticks");
            let (first, last) = (moment::planned(*first, now), moment::planned(*last, now));
            let when = if count == 1 {
                first
            } else {
                format!("{first} to {last}")
            };
            writeln!(out, "  {dag}  {ticks}, {when}  {faint}{reason}{faint:#}")?;
        }
        more(out, groups.len())
    }

    fn print_waits(&self, out: &mut dyn Write, now: Timestamp) -> std::io::Result<()> {
        let groups = self.waits();
        if groups.is_empty() {
            return Ok(());
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        writeln!(out, "\n{bold}waits{bold:#}")?;
        for (what, group) in groups.iter().take(MOST) {
            let tasks = plural(group.count, "task", "tasks");
            let longest = format_duration(group.longest);
            let at = moment::planned(group.since, now);
            let task = &group.task;
            writeln!(
                out,
                "  {what}  {tasks}, at most {longest}: {task} at {at}{faint}, {} in all{faint:#}",
                format_duration(group.total)
            )?;
        }
        more(out, groups.len())
    }

    /// The waits by what was waited for.
    fn waits(&self) -> BTreeMap<String, Waits> {
        let mut groups: BTreeMap<String, Waits> = BTreeMap::new();
        for wait in &self.foreseen.waits {
            let what = match &wait.why {
                Why::Pool { pool, slots, .. } => {
                    let slots = plural(*slots as usize, "slot", "slots");
                    format!("pool {pool} ({slots})")
                }
                Why::RunLimit(most) => format!("max_active_tasks of {} ({most})", wait.dag),
                Why::Limit(most) => format!("max_active_tasks of runner.yaml ({most})"),
                // It is what `concurrency` is for.
                _ => continue,
            };
            let took = wait.until.unwrap_or(self.to) - wait.since;
            let took = took.to_std().unwrap_or_default();
            let group = groups.entry(what).or_default();
            group.count += 1;
            group.total += took;
            if took >= group.longest {
                group.longest = took;
                group.since = wait.since;
                group.task = self.task(wait);
            }
        }
        groups
    }

    fn task(&self, wait: &ForeseenWait) -> String {
        let pipeline = self.names.get(&wait.dag);
        let task = pipeline.map_or("?", |pipeline| {
            pipeline.dag.task(wait.task.task).id.as_str()
        });
        format!("{}.{task}", wait.dag)
    }

    fn json(&self) -> Json {
        let runs = self.foreseen.runs.iter().map(|run| {
            json!({
                "dag": run.dag.as_str(),
                "tick": moment::utc(run.occurrence.tick),
                "data_interval": {
                    "start": moment::utc(run.occurrence.interval_start),
                    "end": moment::utc(run.occurrence.interval_end),
                },
                "started": moment::utc(run.begun),
                "finished": run.ended.map(|(_, at)| moment::utc(at)),
                "state": run.ended.map(|(state, _)| state.as_str()),
            })
        });
        let skipped = self.foreseen.skipped.iter().map(|skip| {
            json!({
                "dag": skip.dag.as_str(),
                "first": moment::utc(skip.first),
                "last": moment::utc(skip.last),
                "count": skip.count,
                "reason": skip.reason,
            })
        });
        let late = self.foreseen.late.iter().map(|late| {
            json!({
                "dag": late.dag.as_str(),
                "tick": moment::utc(late.scheduled),
                "deadline": moment::utc(late.deadline),
                "begun": late.run.is_some(),
            })
        });
        let waits = self.waits().into_iter().map(|(what, group)| {
            json!({
                "for": what,
                "tasks": group.count,
                "longest_seconds": group.longest.as_secs_f64(),
                "longest_task": group.task,
                "total_seconds": group.total.as_secs_f64(),
            })
        });
        json!({
            "from": moment::utc(self.from),
            "to": moment::utc(self.to),
            "cut": self.foreseen.cut.map(moment::utc),
            "runs": runs.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
            "late": late.collect::<Vec<_>>(),
            "waits": waits.collect::<Vec<_>>(),
            "left_out": self.left_out,
            "guessed": self.guessed,
        })
    }
}

fn day(at: Timestamp) -> String {
    moment::local(at).format("%a %-d %b %Y %H:%M").to_string()
}

#[derive(Default)]
struct Waits {
    count: usize,
    total: std::time::Duration,
    longest: std::time::Duration,
    since: Timestamp,
    task: String,
}

fn more(out: &mut dyn Write, count: usize) -> std::io::Result<()> {
    let faint = look::FAINT;
    if count > MOST {
        writeln!(out, "  {faint}and {} more{faint:#}", count - MOST)?;
    }
    Ok(())
}

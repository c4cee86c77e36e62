//! A lane for each DAG: its runs since some time.

use std::collections::BTreeSet;
use std::io::Write as _;

use anstyle::Style;
use serde_json::{Value as Json, json};

use crate::cli::arguments::{Format, Timeline};
use crate::cli::bars::{self, Height, Lane, Mark, Stretch};
use crate::cli::context::Context;
use crate::cli::next::chosen;
use crate::cli::{Mistake, exit, find, look, moment, output};
use crate::document::units::format_duration;
use crate::model::{DagId, RunState, Timestamp};
use crate::operate::shape;
use crate::operate::words::plural;
use crate::store::{RunFilter, RunRow, RunStore, SkippedTicks};

/// Runs older than the beginning that are looked through for some that reach into it.
const OLDER: u32 = 200;

/// Shows the runs of all DAGs, or of those that were chosen.
pub async fn all(
    context: &Context,
    store: &dyn RunStore,
    command: &Timeline,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let since = command.since.before(now);
    if since >= now {
        return Err(Mistake::new("`--since` isn't in the past").into());
    }
    let mut rows = Vec::new();
    let mut skipped: Vec<SkippedTicks> = Vec::new();
    if command.dag.is_empty() {
        rows = runs_since(store, None, since).await?;
        skipped = store.skipped(None, 10_000).await?;
    } else {
        let (project, _) = context.project()?;
        for pipeline in chosen(&project, &command.dag)? {
            rows.extend(runs_since(store, Some(&pipeline.id), since).await?);
            skipped.extend(store.skipped(Some(&pipeline.id), 10_000).await?);
        }
    }
    skipped.retain(|skipped| skipped.last >= since);
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        runs.push(find::look_at(&context.places.state, store, row).await?);
    }
    let mut out = output::stdout();
    if command.format == Format::Json {
        let skipped = skipped.iter().map(|skipped| {
            json!({
                "dag": skipped.dag.as_str(),
                "first": moment::utc(skipped.first),
                "last": moment::utc(skipped.last),
                "count": skipped.count,
                "reason": skipped.reason,
            })
        });
        let skipped: Vec<Json> = skipped.collect();
        let runs: Vec<Json> = runs
            .iter()
            .map(|(row, gone)| shape::Run::new(row, *gone).json())
            .collect();
        let json = json!({
            "since": moment::utc(since),
            "until": moment::utc(now),
            "runs": runs,
            "skipped": skipped,
        });
        writeln!(out, "{json:#}")?;
        out.flush()?;
        return Ok(exit::OK);
    }
    let lanes = lanes(&runs, &skipped, now);
    let faint = look::FAINT;
    let span = format_duration((now - since).to_std().unwrap_or_default());
    let day = moment::local(since).format("%a %-d %b %Y %H:%M");
    writeln!(out, "since {day} {faint}({span}){faint:#}\n")?;
    if lanes.is_empty() {
        writeln!(out, "{faint}nothing ran{faint:#}")?;
    } else {
        bars::print(
            &mut out,
            (since, now),
            &lanes,
            Height::Share,
            output::columns(),
        )?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// The runs that reach into a stretch of time, newest first.
async fn runs_since(
    store: &dyn RunStore,
    dag: Option<&DagId>,
    since: Timestamp,
) -> anyhow::Result<Vec<RunRow>> {
    let mut found = Vec::new();
    let mut filter = RunFilter {
        dag: dag.cloned(),
        limit: OLDER,
        ..RunFilter::default()
    };
    loop {
        let page = store.runs(&filter).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id.clone());
        let over = last.created < since;
        let reaches = |row: &RunRow| row.finished.is_none_or(|at| at >= since);
        found.extend(page.into_iter().filter(reaches));
        if over {
            break;
        }
    }
    Ok(found)
}

/// A lane for each DAG.
fn lanes(runs: &[(RunRow, bool)], skipped: &[SkippedTicks], now: Timestamp) -> Vec<Lane> {
    let dags = runs.iter().map(|(row, _)| &row.dag);
    let dags: BTreeSet<&DagId> = dags.chain(skipped.iter().map(|one| &one.dag)).collect();
    dags.into_iter()
        .map(|dag| {
            let own: Vec<_> = runs.iter().filter(|(row, _)| row.dag == *dag).collect();
            let count = |wanted: fn(&RunRow, bool) -> bool| {
                own.iter().filter(|(row, gone)| wanted(row, *gone)).count()
            };
            let mut facts = vec![(plural(own.len(), "run", "runs"), Style::new())];
            let failed = count(|row, _| row.state == RunState::Failed);
            let going = count(|row, gone| !row.state.is_finished() && !gone);
            let interrupted = count(|_, gone| gone);
            let ticks = skipped.iter().filter(|one| one.dag == *dag);
            let ticks: u64 = ticks.map(|one| one.count).sum();
            for (number, word, style) in [
                (failed as u64, "failed", look::BAD),
                (going as u64, "running", look::BUSY),
                (interrupted as u64, "interrupted", look::WARN),
                (ticks, "skipped", look::WARN),
            ] {
                if number > 0 {
                    facts.push((format!("{} {word}", look::count(number)), style));
                }
            }
            Lane {
                name: dag.to_string(),
                stretches: own
                    .iter()
                    .flat_map(|(row, gone)| stretches(row, *gone, now))
                    .collect(),
                facts,
            }
        })
        .collect()
}

fn stretches(row: &RunRow, interrupted: bool, now: Timestamp) -> Vec<Stretch> {
    let started = row.started.unwrap_or(row.finished.unwrap_or(now));
    let mark = match row.state {
        _ if interrupted => Mark::Cancelled,
        RunState::Success => Mark::Done,
        RunState::Failed => Mark::Failed,
        RunState::Cancelled => Mark::Cancelled,
        RunState::Queued | RunState::Running | RunState::Cancelling => Mark::Running,
    };
    let until = match row.finished {
        Some(at) => at,
        // Nobody knows how long it lived.
        None if interrupted => started,
        None => now,
    };
    let mut stretches = vec![Stretch {
        from: started,
        until,
        mark,
    }];
    if started > row.created {
        stretches.push(Stretch {
            from: row.created,
            until: started,
            mark: Mark::Waiting,
        });
    }
    stretches
}

//! `runner gc`: remove what has been kept long enough.

use std::io::Write as _;

use super::arguments::{Format, Gc};
use super::context::{Context, runtime};
use super::{exit, look};
use crate::daemon::clock::now;
use crate::daemon::retention::{Amount, Sweep, Swept};

pub fn run(context: &Context, command: &Gc) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        let Some(store) = context.store_if_any().await? else {
            return tell(command, &Swept::default(), None);
        };
        let sweep = Sweep {
            project,
            store: store.clone(),
            now: now(),
            dry: command.dry_run,
            quiet: None,
        };
        let swept = sweep.run().await?;
        let vacuumed = if command.vacuum && !command.dry_run {
            Some(store.vacuum().await?)
        } else {
            None
        };
        store.close().await;
        tell(command, &swept, vacuumed)
    })
}

fn tell(command: &Gc, swept: &Swept, vacuumed: Option<u64>) -> anyhow::Result<u8> {
    let parts = [
        (
            "run, with all of its",
            "runs, with all of theirs",
            swept.runs,
        ),
        ("run's logs", "runs' logs", swept.logs),
        ("run's datasets", "runs' datasets", swept.data),
        (
            "folder without a run",
            "folders without a run",
            swept.left_over,
        ),
    ];
    if command.format == Format::Json {
        let amount =
            |amount: Amount| serde_json::json!({ "count": amount.count, "bytes": amount.bytes });
        let text = serde_json::json!({
            "dry_run": command.dry_run,
            "runs": amount(swept.runs),
            "logs": amount(swept.logs),
            "datasets": amount(swept.data),
            "left_over": amount(swept.left_over),
            "skipped": swept.skipped,
            "loads": swept.loads,
            "vacuumed": vacuumed,
            "troubles": swept.troubles,
        });
        writeln!(anstream::stdout(), "{text:#}")?;
        return Ok(exit::OK);
    }
    let mut out = anstream::stdout().lock();
    let all: u64 = parts.iter().map(|(_, _, amount)| amount.bytes).sum();
    let count: u64 = parts.iter().map(|(_, _, amount)| amount.count).sum();
    let faint = look::FAINT;
    if count == 0 {
        writeln!(out, "there is nothing to remove")?;
    } else {
        let would = if command.dry_run {
            "would remove"
        } else {
            "removed"
        };
        writeln!(out, "{would} {}", look::bytes(all))?;
        for (one, many, Amount { count, bytes }) in parts {
            if count > 0 {
                let name = if count == 1 { one } else { many };
                writeln!(out, "  {count:>8} {name:<24}  {:>9}", look::bytes(bytes))?;
            }
        }
    }
    if swept.skipped > 0 {
        let count = swept.skipped;
        writeln!(
            out,
            "{faint}{count} records of skipped ticks are forgotten{faint:#}"
        )?;
    }
    if swept.loads > 0 {
        writeln!(
            out,
            "{faint}databases have forgotten {} loads{faint:#}",
            swept.loads
        )?;
    }
    if let Some(bytes) = vacuumed {
        writeln!(out, "the run state gave back {}", look::bytes(bytes))?;
    }
    for trouble in &swept.troubles {
        let warn = look::WARN;
        writeln!(anstream::stderr(), "{warn}warning{warn:#}: {trouble}")?;
    }
    Ok(exit::OK)
}

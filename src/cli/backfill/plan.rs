//! What a backfill would do, shown.

use std::io::Write;

use crate::cli::look;
use crate::model::{DataInterval, Timestamp};
use crate::operate::backfill::{Due, Plan};

/// Each interval and what would become of it.
pub fn show(plan: &Plan, out: &mut impl Write) -> std::io::Result<()> {
    let faint = look::FAINT;
    for (interval, due) in &plan.due {
        let fate = match due {
            Due::Begins => "would run".to_owned(),
            Due::GoesOn => "would go on".to_owned(),
            Due::IsOn => format!("{faint}is running{faint:#}"),
            Due::Has(state) => format!("{faint}has a run: {}{faint:#}", state.as_str()),
        };
        writeln!(out, "  {}  {fate}", words(*interval))?;
    }
    let begins = plan.count(|due| due == Due::Begins);
    writeln!(
        out,
        "{} of {} intervals would run  {faint}(dry run){faint:#}",
        look::count(begins as u64),
        look::count(plan.due.len() as u64)
    )
}

/// An interval in UTC, as short as it can be said.
pub fn words(interval: DataInterval) -> String {
    let midnight = |at: Timestamp| at.time() == chrono::NaiveTime::MIN;
    let format = if midnight(interval.start) && midnight(interval.end) {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    let (start, end) = (interval.start.format(format), interval.end.format(format));
    format!("{start} to {end}")
}

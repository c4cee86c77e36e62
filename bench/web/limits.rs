//! What was promised, and whether it holds.

use std::io::Write as _;
use std::time::Duration;

use crate::Failure;

/// What was measured against a limit and was beyond it.
#[derive(Default)]
pub struct Limits(Vec<String>);

/// One thing that is promised: at most so much.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub most: f64,
    pub unit: &'static str,
}

impl Limits {
    /// Prints a figure beside its limit, and whether that holds.
    pub fn hold(
        &mut self,
        name: &str,
        measured: f64,
        limit: Limit,
        more: &str,
    ) -> Result<(), Failure> {
        let Limit { most, unit } = limit;
        let holds = measured <= most;
        let word = if holds { "ok" } else { "TOO MUCH" };
        let line = format!("{name:<42} {measured:>8.1} {unit:<2} of {most:>3.0}  {word:<8}");
        say(format!("{line}  {more}").trim_end())?;
        if !holds {
            self.0.push(line);
        }
        Ok(())
    }

    /// Says what doesn't hold: whether there is something.
    pub fn end(self) -> Result<bool, Failure> {
        if self.0.is_empty() {
            say("\nall limits hold")?;
            return Ok(true);
        }
        say("\nwhat doesn't hold:")?;
        for line in &self.0 {
            say(line)?;
        }
        Ok(false)
    }
}

pub fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

//! How a backfill goes on: a line for each run that has ended, and what it comes to.

use std::collections::HashMap;
use std::io::Write as _;

use anstream::AutoStream;

use super::plan::words;
use super::{of_end, state_word};
use crate::cli::arguments::Backfill;
use crate::cli::attend::Show;
use crate::cli::output::Lenient;
use crate::cli::watch::exit_code;
use crate::cli::{exit, look, moment};
use crate::daemon::News;
use crate::daemon::clock::now;
use crate::model::{DataInterval, RunId, RunState, Timestamp};
use crate::operate::backfill::{Due, Plan};
use crate::store::RunRow;

/// What has ended and what there is.
pub struct Progress {
    out: Lenient<AutoStream<std::io::Stdout>>,
    quiet: bool,
    dag: String,
    /// Runs that are to end.
    all: usize,
    left_alone: usize,
    began: Timestamp,
    here: HashMap<RunId, (DataInterval, Timestamp)>,
    success: usize,
    others: Vec<RunState>,
}

impl Show for Progress {
    /// What a run of this process is told of.
    fn news(&mut self, news: News) -> std::io::Result<()> {
        if let Some((run, state, at)) = of_end(&news) {
            let known = self.here.remove(run);
            let (interval, began) = known.map_or((None, at), |(of, began)| (Some(of), began));
            return self.line(run, state, interval, began, at);
        }
        if let News::Run { spec, .. } = news {
            self.here.insert(spec.id.clone(), (spec.interval, now()));
        }
        Ok(())
    }
}

impl Progress {
    /// Nothing has ended yet.
    pub fn new(command: &Backfill, plan: &Plan) -> Self {
        let all = plan.count(|due| matches!(due, Due::Begins | Due::GoesOn));
        Self {
            out: Lenient::new(anstream::stdout()),
            quiet: command.quiet,
            dag: command.dag.clone(),
            all,
            left_alone: plan.due.len() - all,
            began: now(),
            here: HashMap::new(),
            success: 0,
            others: Vec::new(),
        }
    }

    /// There is nothing to do.
    pub fn nothing(&mut self) -> std::io::Result<()> {
        let (dag, count) = (&self.dag, look::count(self.left_alone as u64));
        writeln!(
            self.out,
            "nothing to do: all {count} intervals of {dag} have a run\n  help: `--reprocess \
             failed` or `--reprocess all` runs them again"
        )
    }

    /// What is about to happen.
    pub fn head(&mut self) -> std::io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        let (bold, faint) = (look::BOLD, look::FAINT);
        let s = if self.all == 1 { "" } else { "s" };
        let count = look::count(self.all as u64);
        write!(self.out, "{bold}{}{bold:#}  {count} interval{s}", self.dag)?;
        if self.left_alone > 0 {
            let count = look::count(self.left_alone as u64);
            write!(self.out, "  {faint}{count} more have a run{faint:#}")?;
        }
        writeln!(self.out)
    }

    /// A run of another process has ended.
    pub fn ended(&mut self, row: &RunRow) -> std::io::Result<()> {
        let at = row.finished.unwrap_or(row.created);
        let began = row.started.unwrap_or(row.created);
        self.line(&row.id, row.state, Some(row.interval), began, at)
    }

    fn line(
        &mut self,
        run: &RunId,
        state: RunState,
        interval: Option<DataInterval>,
        began: Timestamp,
        at: Timestamp,
    ) -> std::io::Result<()> {
        if state == RunState::Success {
            self.success += 1;
        } else {
            self.others.push(state);
        }
        if self.quiet {
            return Ok(());
        }
        let (faint, word) = (look::FAINT, state_word(state));
        let took = moment::took(began, at);
        let interval = interval.map(words).unwrap_or_default();
        let done = self.success + self.others.len();
        writeln!(
            self.out,
            "  {word}  {interval}  {took:>7}  {faint}{run}  {done}/{}{faint:#}",
            self.all
        )
    }

    /// What it came to, and the exit code.
    pub fn end(mut self) -> anyhow::Result<u8> {
        let took = moment::took(self.began, now());
        let count = |count: usize| look::count(count as u64);
        let failed = self
            .others
            .iter()
            .filter(|state| **state == RunState::Failed);
        let failed = failed.count();
        let cancelled = self.others.len() - failed;
        let begun = self.success + self.others.len();
        let mut facts = vec![format!("{} succeeded", count(self.success))];
        for (number, word) in [
            (failed, "failed"),
            (cancelled, "cancelled"),
            (self.all.saturating_sub(begun), "not begun"),
        ] {
            if number > 0 {
                facts.push(format!("{} {word}", count(number)));
            }
        }
        writeln!(self.out, "{} in {took}", facts.join(", "))?;
        if failed > 0 {
            writeln!(
                self.out,
                "  help: `--reprocess failed` runs again what failed"
            )?;
        }
        Ok(if failed > 0 {
            exit_code(RunState::Failed)
        } else if begun < self.all || cancelled > 0 {
            exit::INTERRUPTED
        } else {
            exit::OK
        })
    }
}

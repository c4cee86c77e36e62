//! Runs that should be over and aren't.

use super::Decision;
use super::clockwork::delta;
use super::track::Track;
use crate::model::{RunId, Timestamp};

impl Track {
    /// Says of each run that has missed its deadline that it has, once.
    pub(super) fn tell_late(&mut self, now: Timestamp, decisions: &mut Vec<Decision>) {
        let Some(deadline) = self.plan.deadline.map(delta) else {
            self.memory.late.clear();
            return;
        };
        let open = self.open();
        let late = &mut self.memory.late;
        late.retain(|one| open.iter().any(|(scheduled, _)| scheduled == one));
        for (scheduled, run) in open {
            let by = scheduled.checked_add_signed(deadline);
            if let Some(by) = by.filter(|by| *by <= now)
                && late.insert(scheduled)
            {
                decisions.push(Decision::DeadlineMissed {
                    dag: self.plan.dag.clone(),
                    run,
                    scheduled,
                    deadline: by,
                });
            }
        }
    }

    /// When the next deadline is.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let deadline = self.plan.deadline.map(delta)?;
        let open = self.open();
        let told = &self.memory.late;
        let untold = open.iter().map(|(scheduled, _)| *scheduled);
        let first = untold.filter(|one| !told.contains(one)).min()?;
        first.checked_add_signed(deadline)
    }

    /// Runs and starts that aren't over, with their scheduled times.
    fn open(&self) -> Vec<(Timestamp, Option<RunId>)> {
        let running = self
            .running
            .iter()
            .filter_map(|active| Some((active.since?, Some(active.run.clone()))));
        let waiting = self.memory.waiting.iter().map(|one| (one.tick, None));
        running.chain(waiting).collect()
    }
}

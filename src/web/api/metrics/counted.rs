//! What has happened so far, from the store's counts: nobody reads the past for it.

use std::collections::{BTreeMap, BTreeSet};

use super::exposition::{Exposition, float};
use crate::model::DagId;
use crate::store::{BOUNDS, Counted, Tally};

/// So many DAGs have values of their own: the first ones by name. More would make more of them than
/// a Prometheus likes to keep.
pub(super) const LABELLED: usize = 1000;
/// The label of all other DAGs together, and of those that are gone. No DAG can have it as its name.
pub(super) const OTHERS: &str = "(others)";

/// Durations by their bounds.
#[derive(Debug, Default, Clone)]
struct Durations {
    counts: BTreeMap<u64, u64>,
    beyond: u64,
    micros: u64,
}

impl Durations {
    fn add(&mut self, tally: &Tally) {
        match tally.bound {
            Some(bound) => *self.counts.entry(bound).or_default() += tally.count,
            None => self.beyond += tally.count,
        }
        self.micros += tally.micros;
    }

    fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let within = BOUNDS.map(|bound| (Some(bound), self.counts.get(&bound).copied()));
        let within = within.map(|(bound, count)| (bound, count.unwrap_or(0)));
        within.into_iter().chain([(None, self.beyond)])
    }
}

/// Writes counts of runs and attempts.
pub(super) fn counted(text: &mut Exposition, tallies: &[Tally], labelled: &BTreeSet<&DagId>) {
    let mut ends: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut attempts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut lasted: BTreeMap<&str, Durations> = BTreeMap::new();
    let (mut late, mut queued, mut worked) = Default::default();
    for tally in tallies {
        let dag = if labelled.contains(&tally.dag) {
            tally.dag.as_str()
        } else {
            OTHERS
        };
        let durations: &mut Durations = match tally.what {
            Counted::Run => {
                *ends.entry((dag, &tally.word)).or_default() += tally.count;
                lasted.entry(dag).or_default()
            }
            Counted::Attempt => {
                *attempts.entry((dag, &tally.word)).or_default() += tally.count;
                &mut worked
            }
            Counted::Late => &mut late,
            Counted::Queued => &mut queued,
        };
        durations.add(tally);
    }
    let mut family = text.family("runner_runs_total", "counter", "Runs that ended, by state.");
    for ((dag, state), count) in ends {
        family.value(&[("dag", dag), ("state", state)], float(count));
    }
    let mut family = text.family(
        "runner_run_duration_seconds",
        "histogram",
        "How long runs took, from their start to their end.",
    );
    for (dag, durations) in lasted {
        family.histogram(&[("dag", dag)], durations.buckets(), durations.micros);
    }
    let mut family = text.family(
        "runner_task_attempts_total",
        "counter",
        "Attempts at tasks that ended, by outcome.",
    );
    for ((dag, outcome), count) in attempts {
        family.value(&[("dag", dag), ("outcome", outcome)], float(count));
    }
    for (name, help, durations) in [
        (
            "runner_task_attempt_duration_seconds",
            "How long attempts at tasks took.",
            worked,
        ),
        (
            "runner_run_queued_seconds",
            "How long runs waited from their acceptance to their start.",
            queued,
        ),
        (
            "runner_schedule_lateness_seconds",
            "How long after their scheduled time runs started.",
            late,
        ),
    ] {
        let mut family = text.family(name, "histogram", help);
        family.histogram(&[], durations.buckets(), durations.micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_label_of_its_own_is_summed_up() {
        let tally = |dag: &str, word: &str, bound, count| Tally {
            dag: DagId::new(dag).unwrap(),
            what: Counted::Run,
            word: word.to_owned(),
            bound,
            count,
            micros: count * 1_500_000,
        };
        let tallies = [
            tally("a", "success", Some(5_000_000), 3),
            tally("b", "success", Some(5_000_000), 2),
            tally("c", "success", None, 4),
        ];
        let own = DagId::new("a").unwrap();
        let mut text = Exposition::default();
        counted(&mut text, &tallies, &BTreeSet::from([&own]));
        let text = text.text();
        for line in [
            "runner_runs_total{dag=\"a\",state=\"success\"} 3\n",
            "runner_runs_total{dag=\"(others)\",state=\"success\"} 6\n",
            "runner_run_duration_seconds_bucket{dag=\"(others)\",le=\"1\"} 0\n",
            "runner_run_duration_seconds_bucket{dag=\"(others)\",le=\"5\"} 2\n",
            "runner_run_duration_seconds_bucket{dag=\"(others)\",le=\"86400\"} 2\n",
            "runner_run_duration_seconds_bucket{dag=\"(others)\",le=\"+Inf\"} 6\n",
            "runner_run_duration_seconds_sum{dag=\"(others)\"} 9\n",
            "runner_run_queued_seconds_count 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}

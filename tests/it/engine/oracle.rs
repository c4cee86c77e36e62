//! What must be true, judged the slow and obvious way from the durable state.

use std::collections::BTreeMap;

use runner::engine::Limits;
use runner::model::{Outcome, PoolId, TaskRunId, TaskState, TriggerRule};

use super::ledger::{Entry, Ledger, own};

/// How a needed task ended, as a rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Success,
    Failed,
    Skipped,
}

/// What the ends of all needs say of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Open,
    Holds,
    Fails,
}

/// The rule's words, for needs that have all ended.
fn holds(rule: TriggerRule, ends: &[End]) -> bool {
    let all = |end| ends.iter().all(|e| *e == end);
    let any = |end| ends.contains(&end);
    match rule {
        TriggerRule::AllSuccess => all(End::Success),
        TriggerRule::AllDone => true,
        TriggerRule::AllFailed => all(End::Failed),
        TriggerRule::AllSkipped => all(End::Skipped),
        TriggerRule::OneSuccess => any(End::Success),
        TriggerRule::OneFailed => any(End::Failed),
        TriggerRule::NoneFailed => !any(End::Failed),
        TriggerRule::NoneSkipped => !any(End::Skipped),
        TriggerRule::NoneFailedMinOneSuccess => !any(End::Failed) && any(End::Success),
    }
}

fn end(entry: &Entry, need: usize) -> Option<End> {
    match entry.state(own(need)) {
        TaskState::Finished { outcome, .. } => Some(match outcome {
            Outcome::Success => End::Success,
            Outcome::Failed(_) if entry.dag.tasks[need].continue_on_failure => End::Success,
            Outcome::Failed(_) | Outcome::UpstreamFailed | Outcome::Cancelled => End::Failed,
            Outcome::Skipped => End::Skipped,
        }),
        _ => None,
    }
}

fn ends(entry: &Entry, task: usize) -> Vec<Option<End>> {
    let needs = entry.dag.tasks[task].needs.iter().map(|need| need.get());
    needs
        .filter(|need| !entry.is_left_out(*need))
        .map(|need| end(entry, need))
        .collect()
}

/// Judges by trying every way in which the open needs may end.
pub(crate) fn judge(entry: &Entry, task: usize) -> Rule {
    let known = ends(entry, task);
    if known.is_empty() {
        return Rule::Holds;
    }
    let rule = entry.dag.tasks[task].rule;
    let open = known.iter().filter(|end| end.is_none()).count();
    let possible = [End::Success, End::Failed, End::Skipped];
    let ways = 3_usize.pow(u32::try_from(open).unwrap());
    let outcomes: Vec<bool> = (0..ways)
        .map(|mut way| {
            let mut guess = || {
                let end = possible[way % 3];
                way /= 3;
                end
            };
            let ends: Vec<End> = known
                .iter()
                .map(|end| end.unwrap_or_else(&mut guess))
                .collect();
            holds(rule, &ends)
        })
        .collect();
    // Only these two don't wait for the rest.
    let is_early = matches!(rule, TriggerRule::OneSuccess | TriggerRule::OneFailed);
    if outcomes.iter().all(|holds| !holds) {
        Rule::Fails
    } else if outcomes.iter().all(|holds| *holds) && (open == 0 || is_early) {
        Rule::Holds
    } else {
        Rule::Open
    }
}

/// Whether something that a task needs failed.
pub(crate) fn has_failed_need(entry: &Entry, task: usize) -> bool {
    ends(entry, task).contains(&Some(End::Failed))
}

/// How much is at work.
#[derive(Debug, Default)]
pub(crate) struct Load {
    all: u32,
    runs: BTreeMap<String, u32>,
    pools: BTreeMap<PoolId, u32>,
    groups: BTreeMap<(String, usize), u32>,
}

impl Load {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let mut load = Self::default();
        for (run, entry) in &ledger.runs {
            for id in entry.running() {
                load.all += 1;
                *load.runs.entry(run.to_string()).or_default() += 1;
                if let Some((pool, slots)) = &entry.dag.task(id.task).pool {
                    *load.pools.entry(pool.clone()).or_default() += slots;
                }
                if id.item.is_some() {
                    let group = (run.to_string(), id.task.get());
                    *load.groups.entry(group).or_default() += 1;
                }
            }
        }
        load
    }

    /// No limit is passed.
    pub(crate) fn check(&self, ledger: &Ledger, limits: &Limits) {
        let within = |used: u32, most: Option<u32>, of: &str| {
            assert!(most.is_none_or(|most| used <= most), "{used} of {of}");
        };
        within(self.all, limits.max_active_tasks, "all");
        for (pool, used) in &self.pools {
            within(*used, limits.pools.get(pool).copied(), pool.as_str());
        }
        for (run, entry) in &ledger.runs {
            let used = self.runs.get(run.as_str()).copied().unwrap_or(0);
            within(used, entry.dag.max_active_tasks, run.as_str());
        }
        for ((run, task), used) in &self.groups {
            let entry = ledger.runs.iter().find(|(id, _)| id.as_str() == run);
            let most = entry.and_then(|(_, entry)| entry.dag.tasks[*task].concurrency);
            within(*used, most, "the group");
        }
    }

    /// Whether a ready task run has room everywhere but, perhaps, in its pool.
    fn has_room(&self, entry: &Entry, id: TaskRunId, limits: &Limits) -> bool {
        let below = |used: Option<&u32>, most: Option<u32>| {
            most.is_none_or(|most| used.copied().unwrap_or(0) < most)
        };
        let run = entry.spec.id.to_string();
        let policy = entry.dag.task(id.task);
        let group = self.groups.get(&(run.clone(), id.task.get()));
        below(Some(&self.all), limits.max_active_tasks)
            && below(self.runs.get(&run), entry.dag.max_active_tasks)
            && (id.item.is_none() || below(group, policy.concurrency))
    }

    fn fits_pool(&self, entry: &Entry, id: TaskRunId, limits: &Limits) -> bool {
        let Some((pool, slots)) = &entry.dag.task(id.task).pool else {
            return true;
        };
        let used = self.pools.get(pool).copied().unwrap_or(0);
        let all = limits.pools.get(pool);
        all.is_none_or(|all| used + slots <= *all)
    }
}

/// What is ready and could start now: it has room, and nobody before it in its pool waits.
/// `above`: only what has a larger priority than this.
pub(crate) fn startable(ledger: &Ledger, limits: &Limits, above: i64) -> Vec<TaskRunId> {
    let load = Load::of(ledger);
    let ready: Vec<(&Entry, TaskRunId)> = ledger
        .runs
        .values()
        .flat_map(|entry| {
            let is_ready = |id: &TaskRunId| *entry.state(*id) == TaskState::Ready;
            let ids = entry.tasks.keys().copied().filter(is_ready);
            ids.map(move |id| (entry, id))
        })
        .filter(|(entry, id)| load.has_room(entry, *id, limits))
        .collect();
    let pool = |entry: &Entry, id: TaskRunId| {
        let pool = entry.dag.task(id.task).pool.as_ref();
        pool.map(|(pool, _)| pool.clone())
    };
    let is_behind = |entry: &Entry, id: TaskRunId| {
        let mine = pool(entry, id);
        mine.is_some()
            && ready.iter().any(|(other, at)| {
                pool(other, *at) == mine
                    && priority(other, *at) >= priority(entry, id)
                    && !load.fits_pool(other, *at, limits)
            })
    };
    ready
        .iter()
        .filter(|(entry, id)| {
            priority(entry, *id) > above
                && load.fits_pool(entry, *id, limits)
                && !is_behind(entry, *id)
        })
        .map(|(_, id)| *id)
        .collect()
}

pub(crate) fn priority(entry: &Entry, id: TaskRunId) -> i64 {
    i64::from(entry.dag.task(id.task).priority) + i64::from(entry.spec.priority)
}

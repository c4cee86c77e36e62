//! What a task becomes when what it needs has ended: a start, items, or an end without a start.

use super::change::Notice;
use super::queue::Turn;
use super::rules::{Verdict, judge};
use super::scheduler::Step;
use super::state::{Group, Phase, RunKey, TaskRun};
use super::{Action, Prepared};
use crate::model::{
    FailureCause, FailureKind, Json, Outcome, RunId, RunState, TaskIndex, TaskRunId, Transition,
};

impl Step<'_> {
    /// Looks at a task again. Nothing happens unless it waits, or its last item has ended.
    pub(super) fn judge(&mut self, key: RunKey, task: TaskIndex) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let (Some(policy), Some(state)) =
            (run.dag.tasks.get(task.get()), run.tasks.get_mut(task.get()))
        else {
            return;
        };
        let id = TaskRunId { task, item: None };
        let verdict = match &mut state.own.phase {
            Phase::Waiting { question } if question.is_none() => {
                let verdict = if state.left_out {
                    Verdict::Skip
                } else {
                    judge(policy.rule, state.needs)
                };
                if verdict == Verdict::Start && policy.dynamic {
                    self.engine.questions += 1;
                    *question = Some(self.engine.questions);
                }
                verdict
            }
            Phase::Expanded { .. } if state.group.as_ref().is_none_or(|group| group.open == 0) => {
                return self.finish_group(key, task);
            }
            _ => return,
        };
        match verdict {
            Verdict::Wait => {}
            Verdict::Start if policy.dynamic => {
                let prepare = Action::Prepare {
                    run: run.spec.id.clone(),
                    task,
                    question: self.engine.questions,
                };
                self.actions.push(prepare);
            }
            Verdict::Start => self.make_ready(key, id, None),
            Verdict::Skip => self.finish(key, id, Outcome::Skipped, None),
            Verdict::UpstreamFailed => self.finish(key, id, Outcome::UpstreamFailed, None),
        }
    }

    pub(super) fn prepared(
        &mut self,
        run: &RunId,
        task: TaskIndex,
        question: u64,
        answer: Prepared,
    ) {
        let id = TaskRunId { task, item: None };
        let Some(key) = self.live(run) else { return };
        let asked = self.engine.runs.get(&key).and_then(|run| run.get(id));
        let is_asked = asked.is_some_and(|own| {
            matches!(own.phase, Phase::Waiting { question: asked } if asked == Some(question))
        });
        if !is_asked {
            return;
        }
        match answer {
            Prepared::Run => self.make_ready(key, id, None),
            Prepared::Skip => self.finish(key, id, Outcome::Skipped, None),
            Prepared::Fail(cause) => self.finish(key, id, Outcome::Failed(cause), None),
            Prepared::Items(items) if items.is_empty() => {
                self.finish(key, id, Outcome::Skipped, None);
            }
            Prepared::Items(items) => match self.never_fits(key, id) {
                Some(cause) => self.finish(key, id, Outcome::Failed(cause), None),
                None => self.expand(key, task, items),
            },
        }
    }

    fn expand(&mut self, key: RunKey, task: TaskIndex, items: Vec<Json>) {
        let id = TaskRunId { task, item: None };
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let name = run.spec.id.clone();
        let Some(state) = run.tasks.get_mut(task.get()) else {
            return;
        };
        let Ok(count) = u32::try_from(items.len()) else {
            let cause = FailureCause::new(FailureKind::Permanent, "`foreach` has too many items");
            return self.finish(key, id, Outcome::Failed(cause), None);
        };
        let generation = state.own.generation;
        let ready = Phase::Ready {
            turn: Turn::NONE,
            held: true,
        };
        state.group = Some(Box::new(Group {
            items: vec![TaskRun::new(generation, ready); items.len()],
            open: count,
            ..Group::default()
        }));
        self.record(Transition::Expanded {
            run: name,
            task,
            generation,
            items,
            at: self.now,
        });
        let expanded = Phase::Expanded { marked: None };
        self.change(key, id, &expanded, Notice::Elsewhere);
        for item in (0..count).map(Some) {
            self.enqueue(key, TaskRunId { task, item });
        }
    }

    fn finish_group(&mut self, key: RunKey, task: TaskIndex) {
        let Some(run) = self.engine.runs.get(&key) else {
            return;
        };
        let Some(state) = run.task(task) else { return };
        let cancelling = run.state == RunState::Cancelling;
        let outcome = match (&state.own.phase, &state.group) {
            (
                Phase::Expanded {
                    marked: Some(outcome),
                },
                _,
            ) => outcome.clone(),
            (_, Some(group)) => sum(&group.items, cancelling),
            (_, None) => Outcome::Skipped,
        };
        self.finish(key, TaskRunId { task, item: None }, outcome, None);
    }
}

/// The outcome of a group, all of whose items have ended. Where the run isn't cancelled, an item that
/// is was to end with its group.
fn sum(items: &[TaskRun], cancelling: bool) -> Outcome {
    let mut failed = 0;
    let mut first = None;
    let mut success = false;
    for (index, item) in items.iter().enumerate() {
        let Phase::Finished { outcome, .. } = &item.phase else {
            continue;
        };
        let cause = match outcome {
            Outcome::Success => {
                success = true;
                continue;
            }
            Outcome::Skipped | Outcome::UpstreamFailed => continue,
            Outcome::Cancelled if cancelling => return Outcome::Cancelled,
            Outcome::Cancelled => &FailureCause::new(FailureKind::Permanent, "it was cancelled"),
            Outcome::Failed(cause) => cause,
        };
        failed += 1;
        if first.is_none() {
            first = Some((index, cause.kind, cause.message.clone()));
        }
    }
    match first {
        Some((index, kind, message)) => {
            let all = items.len();
            let message = format!("{failed} of {all} items failed; item {index}: {message}");
            Outcome::Failed(FailureCause::new(kind, message))
        }
        None if success => Outcome::Success,
        None => Outcome::Skipped,
    }
}

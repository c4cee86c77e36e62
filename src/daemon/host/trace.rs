//! What a collector of traces is told, after it is durable.

use super::Host;
use crate::model::{AttemptId, Transition};
use crate::telemetry::Span;

impl Host {
    /// Tells of runs and attempts that have ended.
    pub(super) fn trace(&self, transition: &Transition) {
        if !self.telemetry.wants_spans() {
            return;
        }
        let Some(held) = self.runs.get(transition.run()) else {
            return;
        };
        match transition {
            Transition::Run { state, at, .. } if state.is_finished() => {
                self.telemetry
                    .span(|| Span::of_run(&held.spec, *state, *at));
            }
            Transition::Task {
                run,
                task_run,
                generation,
                fence,
                ended: Some(ended),
                at,
                ..
            } => {
                let attempt = AttemptId {
                    run: run.clone(),
                    task_run: *task_run,
                    generation: *generation,
                    number: ended.number,
                    fence: *fence,
                };
                let task = &held.pipeline.tasks[task_run.task.get()];
                let of = (&held.spec.dag, &task.id, task.kind);
                let (times, result) = ((ended.started, *at), &ended.result);
                let span = || Span::of_attempt(&attempt, of, times, result);
                self.telemetry.span(span);
            }
            _ => {}
        }
    }

    /// Sends what was told, for a moment at most.
    pub(in crate::daemon) async fn finish_tracing(&self) {
        self.telemetry.flush().await;
    }
}

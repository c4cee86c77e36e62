//! What follows from a turn: attempts are started and ended, values are kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::children::Children;
use super::{Host, News};
use crate::engine::{Action, Event};
use crate::executor::{Executor as _, Job};
use crate::model::{AttemptId, Outcome, RunId, TaskRunId, TaskState, Transition};
use crate::task::{AttemptContext, Log, Progress, log_path, shell};
use crate::telemetry::{Origin, traceparent};

/// How long processes that a killed runner has left may take to end.
const GRACE: Duration = Duration::from_secs(10);

impl Host {
    /// Keeps the values that later templates read, and tells the news.
    pub(super) fn took_place(&mut self, transition: Transition) {
        self.trace(&transition);
        if let Some(held) = self.runs.get_mut(transition.run()) {
            if let Transition::Task {
                task_run: TaskRunId { task, item: None },
                state: TaskState::Finished { outcome, .. },
                ..
            } = &transition
                && held.pipeline.has_hooks
            {
                held.values.ended(*task, outcome.clone());
            }
            if let Transition::Task {
                task_run: TaskRunId { task, item: None },
                state:
                    TaskState::Finished {
                        outcome: Outcome::Success,
                        at,
                    },
                ..
            } = &transition
            {
                let spec = &held.spec;
                let wrote = held.pipeline.tasks[task.get()].writes.iter();
                let wrote = wrote.map(|dataset| (spec.clone(), dataset.clone(), *at));
                self.told.wrote.extend(wrote);
            }
            match &transition {
                Transition::Expanded { task, items, .. } => {
                    held.values.forget(*task);
                    held.values.expanded(*task, items.clone());
                }
                Transition::Task {
                    task_run,
                    state:
                        TaskState::Finished {
                            outcome: Outcome::Success,
                            ..
                        },
                    ended: Some(ended),
                    ..
                } => held.values.finished(*task_run, ended.result.clone()),
                Transition::Run { run, state, at } if state.is_finished() => {
                    let run = run.clone();
                    if let Some(held) = self.runs.remove(&run) {
                        if self.awaited.contains_key(&run) {
                            self.settled.push(run.clone());
                        }
                        self.told.ended.push((held.spec, *state, *at));
                        self.unheard = true;
                        if held.taken_up {
                            self.clear_away(run);
                        }
                    }
                }
                _ => {}
            }
        }
        self.tell(News::Changed(transition));
    }

    /// Ends and removes what the attempts of a run have left behind whose process was killed, and
    /// that no later attempt has cleared away.
    pub(super) fn clear_away(&mut self, run: RunId) {
        let state = self.project.places.state.clone();
        let log = self.log(state.join("logs").join(run.as_str()).join("recovery.log"));
        self.leaving.spawn(async move {
            if let Err(error) = shell::end_orphans(&format!("{run}/"), GRACE, &log).await {
                tracing::warn!(%run, %error, "processes of it are left");
            }
            if let Err(error) = shell::remove_leftovers(&state, run.as_str()) {
                tracing::warn!(%run, %error, "temporary files of it are left");
            }
        });
    }

    /// Ends all processes of all runs without further ado. The runs stay as they are, and can be
    /// resumed; this host can't be used any more.
    pub async fn kill(&mut self) {
        for run in self.runs.keys() {
            let state = &self.project.places.state;
            let log = self.log(state.join("logs").join(run.as_str()).join("recovery.log"));
            if let Err(error) = shell::end_orphans(&format!("{run}/"), Duration::ZERO, &log).await {
                tracing::warn!(%run, %error, "processes of it are left");
            }
        }
    }

    pub(super) fn log(&self, path: PathBuf) -> Log {
        let limit = self.project.settings.log_limit;
        Log::new(path, limit, self.masker.clone(), self.clock.clone())
    }

    pub(super) async fn act(&mut self, action: Action) {
        match action {
            Action::Record(_) => {}
            Action::Prepare {
                run,
                task,
                question,
            } => {
                let Some(held) = self.runs.get(&run) else {
                    return;
                };
                let answer = held
                    .values
                    .prepare(
                        &held.pipeline,
                        task,
                        &held.project.environment,
                        &self.project.places.state,
                    )
                    .await;
                self.events.push(Event::Prepared {
                    run,
                    task,
                    question,
                    answer,
                });
            }
            Action::Dispatch(attempt) => self.dispatch(attempt),
            Action::Abort { attempt, .. } => self.executor.abort(&attempt),
        }
    }

    pub(super) fn dispatch(&mut self, attempt: AttemptId) {
        // Who comes after us finds it ready.
        if self.draining {
            return;
        }
        let Some(held) = self.runs.get(&attempt.run) else {
            return;
        };
        let id: TaskRunId = attempt.task_run;
        let spec = &held.pipeline.tasks[id.task.get()];
        let places = &held.project.places;
        let log: PathBuf = places.state.join(log_path(&attempt, &spec.id));
        let progress = Arc::new(Progress::default());
        let context = AttemptContext {
            dag: held.spec.dag.clone(),
            task: spec.id.clone(),
            scope: held
                .values
                .scope(&held.pipeline, id, &held.project.environment),
            connections: held.project.settings.connections.clone(),
            places: places.clone(),
            datasets: held.values.datasets(&held.pipeline, id.task),
            log: self.log(log).told_to(&self.telemetry, || {
                Origin::of(&attempt, &held.spec.dag, &spec.id)
            }),
            progress: progress.clone(),
            cancel: tokio_util::sync::CancellationToken::new(),
            clock: self.clock.clone(),
            runs: Arc::new(Children(self.control.0.clone())),
            traceparent: self.telemetry.wants_spans().then(|| traceparent(&attempt)),
            id: attempt.clone(),
        };
        let job = Job {
            action: spec.action.clone(),
            context,
        };
        self.active += 1;
        // A wait is cut off like a stream: its run goes on at the next start, and it with it.
        let waits = held.pipeline.dag.task(id.task).waits;
        if waits || self.is_stream(&attempt.run) {
            self.streaming.insert(attempt.clone());
        }
        self.tell(News::Started { attempt, progress });
        self.executor.start(job, &self.answers.0);
    }
}

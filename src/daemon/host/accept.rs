//! Runs come in: accepted, decided on by schedules, or taken up from another process.

use std::sync::Arc;

use super::parts::Held;
use super::{Host, NewRun, News};
use crate::daemon::scope::RunValues;
use crate::engine::Event;
use crate::model::{AttemptOutcome, RunSpec, Schedule, TaskIndex, TaskState};
use crate::spec::Pipeline;
use crate::store::{Decided, StoreError, StoredRun};

/// Tries of what a person waits for, before the error is shown.
pub(super) const STORE_TRIES: u32 = 12;

impl Host {
    /// Accepts a run: when this returns, it is durable and will end.
    ///
    /// # Errors
    /// When the store refuses it or can't be written.
    pub async fn accept(&mut self, run: NewRun) -> Result<(), StoreError> {
        let version = std::slice::from_ref(&run.pipeline.version);
        let accepted = [crate::store::NewRun {
            spec: run.spec.clone(),
            owner: self.owner.owner().clone(),
        }];
        self.patiently(STORE_TRIES, |store| store.begin(version, &accepted))
            .await?;
        let spec = Arc::new(run.spec);
        self.events.push(Event::Triggered {
            run: spec.clone(),
            dag: run.pipeline.dag.clone(),
        });
        let values = RunValues::new(&spec);
        self.hold(spec, run.pipeline, values, false);
        self.tell_daemon();
        Ok(())
    }

    /// Takes up a run that another process has left, or one that has ended and is to go on. It
    /// belongs to this host's owner already.
    ///
    /// # Errors
    /// When its version can't be read any more, or the store can't be read.
    pub async fn resume(&mut self, stored: StoredRun) -> Result<(), String> {
        self.take_up(stored).await?;
        // What was left for the owner before that it didn't come to.
        self.hear().await.map_err(|error| error.to_string())
    }

    pub(super) async fn take_up(&mut self, stored: StoredRun) -> Result<(), String> {
        let hash = &stored.spec.version;
        let version = self
            .patiently(STORE_TRIES, |store| store.version(hash))
            .await
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "its version isn't in the store".to_owned())?;
        let pipeline = self.project.pinned(&version)?;
        let mut values = RunValues::new(&stored.spec);
        for (task, items) in stored.items {
            values.expanded(task, items);
        }
        let read: std::collections::BTreeSet<TaskIndex> = pipeline
            .tasks
            .iter()
            .flat_map(|task| task.reads.iter().copied())
            .collect();
        for task in read {
            let run = &stored.spec.id;
            let results = self
                .patiently(STORE_TRIES, |store| store.results(run, task))
                .await;
            for (id, result) in results.map_err(|error| error.to_string())? {
                if result.outcome == AttemptOutcome::Success {
                    values.finished(id, result);
                }
            }
        }
        if pipeline.has_hooks {
            for task in &stored.tasks {
                if let (None, TaskState::Finished { outcome, .. }) = (task.id.item, &task.state) {
                    values.ended(task.id.task, outcome.clone());
                }
            }
        }
        let spec = Arc::new(stored.spec);
        self.events.push(Event::Restored {
            run: spec.clone(),
            dag: pipeline.dag.clone(),
            state: stored.state,
            tasks: stored.tasks,
        });
        self.hold(spec, pipeline, values, true);
        Ok(())
    }

    pub(super) fn hold(
        &mut self,
        spec: Arc<RunSpec>,
        pipeline: Arc<Pipeline>,
        values: RunValues,
        taken_up: bool,
    ) {
        self.tell(News::Run {
            spec: spec.clone(),
            pipeline: pipeline.clone(),
        });
        self.told.began.push(spec.clone());
        self.unheard = true;
        self.runs.insert(
            spec.id.clone(),
            Held {
                spec,
                project: self.project.clone(),
                is_stream: pipeline.schedule == Some(Schedule::Always),
                pipeline,
                values,
                taken_up,
            },
        );
    }

    /// Makes decisions of schedules durable and begins their runs.
    pub(in crate::daemon) async fn decide(
        &mut self,
        mut decided: Decided,
        pipelines: &[Arc<Pipeline>],
    ) -> Result<(), StoreError> {
        for pipeline in pipelines {
            let version = &pipeline.version;
            // They become durable together: thousands of their own would take seconds.
            if self.versions.insert(version.hash.clone()) {
                decided.versions.push(version.clone());
            }
        }
        let done = self.patiently(u32::MAX, |store| store.decide(&decided));
        done.await?;
        for (run, pipeline) in decided.runs.iter().zip(pipelines) {
            let spec = Arc::new(run.spec.clone());
            self.events.push(Event::Triggered {
                run: spec.clone(),
                dag: pipeline.dag.clone(),
            });
            let values = RunValues::new(&spec);
            self.hold(spec, pipeline.clone(), values, false);
        }
        for notice in &decided.notices {
            self.teller
                .tell(&self.project, &self.masker, notice.clone());
        }
        Ok(())
    }
}

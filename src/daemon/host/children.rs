//! Runs that tasks begin: asked for from within attempts, answered by the loop.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::{Control, Host, NewRun, STORE_TRIES};
use crate::daemon::{is_alive, ring};
use crate::engine::Event;
use crate::model::{
    Json as JsonText, Outcome, RunId, RunSpec, RunState, TaskState, Timestamp, TriggerKind,
};
use crate::store::{CommandKind, StoreError, StoredRun};
use crate::task::{RunEnd, Runs, TaskFailure, WantedRun};

/// Between two looks at a run that another process carries out.
const LOOK: Duration = Duration::from_secs(1);

/// Characters at the beginning of a run's name that are its time.
const TIME: usize = 9;

/// What an attempt wants of runs.
#[derive(Debug)]
pub enum Wish {
    /// Begin a run, or find it.
    Begin(WantedRun, oneshot::Sender<Result<RunId, TaskFailure>>),
    /// Tell of the end of a run. `None`: another process carries it out, ask again.
    End(RunId, oneshot::Sender<Option<RunEnd>>),
    /// Make a run end.
    Cancel(RunId),
}

/// The host, as attempts see it.
pub(super) struct Children(pub(super) UnboundedSender<Control>);

impl Children {
    /// An answer of the host. When it is gone the process is ending, and nothing is to follow.
    async fn ask<T>(&self, wish: impl FnOnce(oneshot::Sender<T>) -> Wish) -> T {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Control::Wish(wish(answer)));
        match answered.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Runs for Children {
    async fn begin(&self, wanted: WantedRun) -> Result<RunId, TaskFailure> {
        self.ask(|answer| Wish::Begin(wanted, answer)).await
    }

    async fn end(&self, run: &RunId) -> RunEnd {
        loop {
            if let Some(end) = self.ask(|answer| Wish::End(run.clone(), answer)).await {
                return end;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn cancel(&self, run: &RunId) {
        let _ = self.0.send(Control::Wish(Wish::Cancel(run.clone())));
    }
}

impl Host {
    /// Answers what attempts have asked for.
    pub(super) async fn answer_wishes(&mut self) -> Result<(), StoreError> {
        for wish in std::mem::take(&mut self.wishes) {
            match wish {
                Wish::Begin(wanted, answer) => {
                    let begun = self.begin_child(wanted).await;
                    let _ = answer.send(begun);
                }
                Wish::End(run, answer) => self.await_child(run, answer).await?,
                Wish::Cancel(run) if self.runs.contains_key(&run) => {
                    self.events.push(Event::CancelRequested { run });
                }
                Wish::Cancel(run) => self.cancel_elsewhere(&run).await?,
            }
        }
        Ok(())
    }

    async fn begin_child(&mut self, wanted: WantedRun) -> Result<RunId, TaskFailure> {
        let id = child_id(&wanted.parent, &wanted.key)
            .ok_or_else(|| TaskFailure::permanent("the run has no name to name another by"))?;
        let retryable = |error: StoreError| TaskFailure::retryable(error.to_string());
        if self.runs.contains_key(&id) {
            return Ok(id);
        }
        let stored = self.stored(&id, STORE_TRIES).await.map_err(retryable)?;
        if let Some(stored) = stored {
            let ended = stored.state.is_finished() && stored.state != RunState::Success;
            if wanted.again && ended {
                self.try_again(stored).await?;
            }
            return Ok(id);
        }
        let dag = &wanted.dag;
        let pipeline = self.project.pipelines.get(dag).cloned().ok_or_else(|| {
            TaskFailure::permanent(format!(
                "DAG `{dag}` doesn't exist any more, or has mistakes: `runner check` tells"
            ))
        })?;
        let params = pipeline.params.bind_values(&wanted.params);
        let params = params.map_err(|errors| {
            TaskFailure::permanent(format!("DAG `{dag}`: {}", errors.join("; ")))
        })?;
        let Some(parent) = self.runs.get(&wanted.parent).map(|held| held.spec.clone()) else {
            return Err(TaskFailure::retryable("the run has ended meanwhile"));
        };
        let spec = RunSpec {
            id: id.clone(),
            dag: pipeline.id.clone(),
            version: pipeline.version.hash.clone(),
            params: JsonText(Json::Object(params).to_string().into()),
            interval: parent.interval,
            logical_time: parent.logical_time,
            trigger: TriggerKind::Dag {
                run: wanted.parent.clone(),
            },
            seed: parent.seed ^ digest(&wanted.key),
            priority: parent.priority,
            only: None,
            created: (self.clock)(),
        };
        match self.accept(NewRun { spec, pipeline }).await {
            Ok(()) | Err(StoreError::Exists(_)) => Ok(id),
            Err(error) => Err(retryable(error)),
        }
    }

    /// Takes up a run that has not succeeded, for what failed in it.
    async fn try_again(&mut self, stored: StoredRun) -> Result<(), TaskFailure> {
        let own = self.owner.owner().clone();
        let (run, from) = (stored.spec.id, stored.owner);
        let taken = self
            .patiently(STORE_TRIES, |store| store.adopt(&from, &own, Some(&run)))
            .await
            .map_err(|error| TaskFailure::retryable(error.to_string()))?;
        for stored in taken {
            // Somebody may have been faster.
            let ended = match stored.state {
                RunState::Success => continue,
                state => state.is_finished(),
            };
            self.take_up(stored).await.map_err(|reason| {
                TaskFailure::permanent(format!("run {run} can't go on: {reason}"))
            })?;
            if ended {
                self.events.push(Event::RetryRequested {
                    run: run.clone(),
                    tasks: Vec::new(),
                });
            }
        }
        Ok(())
    }

    async fn await_child(
        &mut self,
        run: RunId,
        answer: oneshot::Sender<Option<RunEnd>>,
    ) -> Result<(), StoreError> {
        if !self.runs.contains_key(&run) {
            let end = match self.stored(&run, u32::MAX).await? {
                None => Some(gone()),
                Some(stored) if stored.state.is_finished() => Some(self.end_of(&stored).await?),
                Some(stored) => self.fetch(stored).await?,
            };
            if end.is_some() || !self.runs.contains_key(&run) {
                let _ = answer.send(end);
                return Ok(());
            }
        }
        self.awaited.entry(run).or_default().push(answer);
        Ok(())
    }

    /// Takes up a run whose process has ended. Gives an end that it can't get here.
    async fn fetch(&mut self, stored: StoredRun) -> Result<Option<RunEnd>, StoreError> {
        let own = self.owner.owner().clone();
        let (run, from) = (stored.spec.id.clone(), stored.owner);
        if from != own && is_alive(&self.project.places.state, &from) {
            return Ok(None);
        }
        let taken = self
            .patiently(u32::MAX, |store| store.adopt(&from, &own, Some(&run)))
            .await?;
        for stored in taken {
            if stored.state.is_finished() {
                return Ok(Some(self.end_of(&stored).await?));
            }
            if let Err(reason) = self.take_up(stored).await {
                return Ok(Some(RunEnd {
                    state: RunState::Failed,
                    cause: Some(format!("it can't go on: {reason}")),
                }));
            }
        }
        Ok(None)
    }

    async fn cancel_elsewhere(&mut self, run: &RunId) -> Result<(), StoreError> {
        let Some(stored) = self.stored(run, u32::MAX).await? else {
            return Ok(());
        };
        if stored.state.is_finished() {
            return Ok(());
        }
        let now: Timestamp = (self.clock)();
        self.patiently(u32::MAX, |store| {
            store.put_command(run, &CommandKind::Cancel, now)
        })
        .await?;
        // Without a bell it is heard when the run is taken up.
        if let Err(error) = ring(&self.project.places.state, &stored.owner) {
            tracing::warn!(%run, %error, "its process isn't told at once that it is to end");
        }
        Ok(())
    }

    /// Tells those who wait for runs that have ended in this turn.
    pub(super) async fn tell_waiting(&mut self) -> Result<(), StoreError> {
        for run in std::mem::take(&mut self.settled) {
            let Some(waiting) = self.awaited.remove(&run) else {
                continue;
            };
            let end = match self.stored(&run, u32::MAX).await? {
                Some(stored) => self.end_of(&stored).await?,
                None => gone(),
            };
            for answer in waiting {
                let _ = answer.send(Some(end.clone()));
            }
        }
        Ok(())
    }

    async fn stored(&self, run: &RunId, tries: u32) -> Result<Option<StoredRun>, StoreError> {
        self.patiently(tries, |store| store.load(run)).await
    }

    /// How a run has ended, and what failed first in it.
    async fn end_of(&self, stored: &StoredRun) -> Result<RunEnd, StoreError> {
        let mut end = RunEnd {
            state: stored.state,
            cause: None,
        };
        if stored.state != RunState::Failed {
            return Ok(end);
        }
        let hash = &stored.spec.version;
        let version = self
            .patiently(u32::MAX, |store| store.version(hash))
            .await?;
        let Some(pipeline) = version.and_then(|version| self.project.pinned(&version).ok()) else {
            return Ok(end);
        };
        let failed = stored.tasks.iter().filter_map(|task| {
            let TaskState::Finished {
                outcome: Outcome::Failed(cause),
                at,
            } = &task.state
            else {
                return None;
            };
            let of = pipeline.dag.tasks.get(task.id.task.get())?;
            (!of.continue_on_failure).then_some((at, &of.id, &cause.message))
        });
        end.cause = failed
            .min_by_key(|(at, _, _)| **at)
            .map(|(_, task, message)| format!("task `{task}`: {message}"));
        Ok(end)
    }
}

fn gone() -> RunEnd {
    RunEnd {
        state: RunState::Failed,
        cause: Some("nothing is kept of it any more".to_owned()),
    }
}

fn digest(key: &str) -> u64 {
    let hash = Sha256::digest(key.as_bytes());
    hash.iter()
        .take(8)
        .fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

/// The name of a run that a task begins: all attempts find the same. It begins with the time of
/// the first run, beside which it stands where runs are sorted, and doesn't hold the whole of that
/// name: who looks for a run by a part of its name finds that one.
fn child_id(parent: &RunId, key: &str) -> Option<RunId> {
    let first = parent.as_str().split('-').next()?;
    let first = first.get(..TIME).unwrap_or(first);
    let hash = format!("{:010x}", digest(key) >> 24);
    RunId::new(&format!("{first}-{hash}")).ok()
}

/// No runs, for attempts outside of a host.
#[must_use]
pub fn no_runs() -> Arc<dyn Runs> {
    let (control, _) = tokio::sync::mpsc::unbounded_channel();
    Arc::new(Children(control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_child_is_short_and_the_same_for_all_attempts() {
        let parent = RunId::new("01h8xkz3m9qpt").unwrap();
        let child = child_id(&parent, "01h8xkz3m9qpt/load/0").unwrap();
        assert_eq!(child, child_id(&parent, "01h8xkz3m9qpt/load/0").unwrap());
        assert_ne!(child, child_id(&parent, "01h8xkz3m9qpt/load/1").unwrap());
        assert!(!child.as_str().contains(parent.as_str()));
        let grandchild = child_id(&child, &format!("{child}/load/0")).unwrap();
        assert_eq!(grandchild.as_str().len(), child.as_str().len());
    }
}

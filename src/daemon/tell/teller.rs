//! Sends what is due, again where it has to, and forgets it then.
//!
//! A notice is durable since its run has ended. It is forgotten when everybody has taken it or it
//! is given up: whoever is killed in between leaves it to others, and a message that was taken just
//! before is sent a second time, with the same key.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Facts, stamp};
use crate::connection::Sending;
use crate::model::{Json as JsonText, Occasion, RunId, RunSpec, RunState, Timestamp};
use crate::secret::Masker;
use crate::spec::{MessageLimit, Notifications, Pipeline, Project};
use crate::store::{Admission, Notice, NoticeLimit, Owner, RunStore, StoreError, StoredRun};
use crate::task::message::MessageTemplate;
use crate::task::{Clock, Log};

/// Between two tries; there is one try more than pauses.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
];
/// A process that has nothing else to do waits through a pause of at most this.
const SHORT: Duration = Duration::from_secs(1);
/// The longest that a server may ask to be left alone for.
const LONGEST: Duration = Duration::from_mins(30);
/// Messages on their way at a time.
const AT_A_TIME: usize = 8;
/// Tries of what the store is asked, before a notice is left to others.
const STORE_TRIES: u32 = 20;
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// What tells a notice apart.
type Name = (RunId, Occasion, Timestamp);

/// Tells people, beside everything else.
pub struct Teller {
    store: Arc<dyn RunStore>,
    clock: Clock,
    telling: JoinSet<Name>,
    here: HashSet<Name>,
    gate: Arc<Semaphore>,
    hurry: CancellationToken,
}

impl Teller {
    /// A teller that has nothing to tell.
    pub fn new(store: Arc<dyn RunStore>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            telling: JoinSet::new(),
            here: HashSet::new(),
            gate: Arc::new(Semaphore::new(AT_A_TIME)),
            hurry: CancellationToken::new(),
        }
    }

    /// What is to be told when a run ends so, if anything is.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn due(
        store: &dyn RunStore,
        project: &Project,
        pipeline: &Pipeline,
        (spec, state, at): (&RunSpec, RunState, Timestamp),
        owner: &Owner,
    ) -> Result<Option<Notice>, StoreError> {
        let wanted = |occasion| !receivers(project, pipeline, occasion).is_empty();
        let notice = |occasion, detail| Notice {
            run: spec.id.clone(),
            dag: spec.dag.clone(),
            occasion,
            at,
            owner: owner.clone(),
            tries: 0,
            detail,
        };
        match state {
            // A failure is also remembered for the recovery from it.
            RunState::Failed if wanted(Occasion::Failure) || wanted(Occasion::Recovery) => {
                Ok(Some(notice(Occasion::Failure, JsonText::null())))
            }
            RunState::Success if wanted(Occasion::Recovery) || wanted(Occasion::Failure) => {
                let Some(failing) = store.failing(&spec.dag).await? else {
                    return Ok(None);
                };
                let detail = json!({ "since": stamp(failing.since), "failures": failing.failures });
                let detail = JsonText(detail.to_string().into());
                Ok(Some(notice(Occasion::Recovery, detail)))
            }
            _ => Ok(None),
        }
    }

    /// What is to be told when a run isn't over in time, if anything is. A run that hasn't even begun
    /// is told of by one that it `waits_for`.
    #[must_use]
    pub fn late(
        project: &Project,
        pipeline: &Pipeline,
        (run, waits_for): (Option<RunId>, Option<RunId>),
        (scheduled, deadline, now): (Timestamp, Timestamp, Timestamp),
        owner: &Owner,
    ) -> Option<Notice> {
        if receivers(project, pipeline, Occasion::Deadline).is_empty() {
            return None;
        }
        let detail = json!({
            "deadline": stamp(deadline),
            "scheduled": stamp(scheduled),
            "begun": run.is_some(),
        });
        Some(Notice {
            run: run.or(waits_for)?,
            dag: pipeline.id.clone(),
            occasion: Occasion::Deadline,
            at: now,
            owner: owner.clone(),
            tries: 0,
            detail: JsonText(detail.to_string().into()),
        })
    }

    /// Tells a notice that is durable and belongs to this process.
    pub fn tell(&mut self, project: &Arc<Project>, masker: &Masker, notice: Notice) {
        while let Some(done) = self.telling.try_join_next() {
            self.forget(done);
        }
        let name = (notice.run.clone(), notice.occasion, notice.at);
        if !self.here.insert(name.clone()) {
            return;
        }
        let state = &project.places.state;
        let path = state.join("logs").join(notice.run.as_str());
        let path = path.join("notifications.log");
        let limit = project.settings.log_limit;
        let job = Job {
            store: self.store.clone(),
            project: project.clone(),
            log: Log::new(path, limit, masker.clone(), self.clock.clone()),
            clock: self.clock.clone(),
            gate: self.gate.clone(),
            hurry: self.hurry.clone(),
            notice,
        };
        self.telling.spawn(async move {
            if let Err(error) = job.tell().await {
                let run = &job.notice.run;
                tracing::warn!(%run, %error, "what is to be told stays in the run state");
            }
            name
        });
    }

    fn forget(&mut self, done: Result<Name, tokio::task::JoinError>) {
        if let Ok(name) = done {
            self.here.remove(&name);
        }
    }

    /// Waits until everything is told, but not through long pauses and not longer than `patience`:
    /// what is left then stays in the store for others.
    pub async fn finish(&mut self, patience: Duration) {
        self.hurry.cancel();
        let all = async {
            while let Some(done) = self.telling.join_next().await {
                if let Ok(name) = done {
                    self.here.remove(&name);
                }
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            self.telling.shutdown().await;
            self.here.clear();
        }
        self.hurry = CancellationToken::new();
    }
}

/// Who is told: as the DAG says, otherwise as the project does.
fn receivers(project: &Project, pipeline: &Pipeline, occasion: Occasion) -> Arc<[MessageTemplate]> {
    let levels = [&pipeline.notifications, &project.settings.notifications];
    let mut said = levels.iter().filter_map(|level| level.receivers(occasion));
    said.next().cloned().unwrap_or_else(|| Arc::from([]))
}

fn limit(project: &Project, pipeline: &Pipeline, now: Timestamp) -> NoticeLimit {
    let levels: [&Notifications; 2] = [&pipeline.notifications, &project.settings.notifications];
    let said = levels.iter().find_map(|level| level.limit);
    let MessageLimit { most, window } = said.unwrap_or(MessageLimit::USUAL);
    let window = TimeDelta::from_std(window).unwrap_or_default();
    NoticeLimit {
        most,
        begun_by: now - window,
        now,
    }
}

/// One notice on its way.
struct Job {
    store: Arc<dyn RunStore>,
    project: Arc<Project>,
    log: Log,
    clock: Clock,
    gate: Arc<Semaphore>,
    hurry: CancellationToken,
    notice: Notice,
}

impl Job {
    async fn tell(&self) -> Result<(), StoreError> {
        let notice = &self.notice;
        let stored = self.ask(|| self.store.load(&notice.run)).await?;
        let Some((spec, pipeline)) = self.pinned(stored).await? else {
            self.warn("its pipeline can't be read any more");
            return self.settle().await;
        };
        let receivers = receivers(&self.project, &pipeline, notice.occasion);
        if receivers.is_empty() {
            return self.settle().await;
        }
        let limit = limit(&self.project, &pipeline, (self.clock)());
        let admission = || self.store.admit_notice(notice, limit);
        let held = match self.ask(admission).await? {
            Admission::Tell { held } => held,
            Admission::Held => {
                self.log.info("held back: there were too many messages");
                return Ok(());
            }
            Admission::Gone => return Ok(()),
        };
        let facts = Facts {
            notice,
            spec: &spec,
            pipeline: &pipeline,
            state: &self.project.places.state,
            link: self.project.settings.notifications.link.as_deref(),
            held,
        };
        let store = self.store.as_ref();
        let account = self.ask(|| Account::gather(&facts, store)).await?;
        if self.send_to_all(&receivers, &account).await? {
            return self.settle().await;
        }
        Ok(())
    }

    /// `false`: it is left to others.
    async fn send_to_all(
        &self,
        receivers: &[MessageTemplate],
        account: &Account,
    ) -> Result<bool, StoreError> {
        let mut left: Vec<&MessageTemplate> = receivers.iter().collect();
        let before = usize::try_from(self.notice.tries).unwrap_or(usize::MAX);
        for done in before.min(PAUSES.len()).. {
            let Some(mut pause) = PAUSES.get(done).copied() else {
                self.send(left, account, true).await;
                return Ok(true);
            };
            let asked;
            (left, asked) = self.send(left, account, false).await;
            if left.is_empty() {
                return Ok(true);
            }
            let tries = u32::try_from(done + 1).unwrap_or(u32::MAX);
            self.ask(|| self.store.try_notice(&self.notice, tries))
                .await?;
            pause = pause.max(asked.min(LONGEST));
            if pause <= SHORT {
                tokio::time::sleep(pause).await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.hurry.cancelled() => {
                        let (run, dag, what) = (&self.notice.run, &self.notice.dag, self.notice.occasion);
                        tracing::warn!(%run, %dag, "the {what} isn't told yet: the next command that runs something, or the daemon, tries again");
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Sends to those who haven't taken it yet. Gives who is to be asked again, and after what time
    /// at the earliest.
    async fn send<'a>(
        &self,
        receivers: Vec<&'a MessageTemplate>,
        account: &Account,
        last: bool,
    ) -> (Vec<&'a MessageTemplate>, Duration) {
        let mut again = Vec::new();
        let mut asked = Duration::ZERO;
        for receiver in receivers {
            let connection = receiver.connection.as_str();
            let message = match account.message(receiver) {
                Ok(message) => message,
                Err(error) => {
                    self.warn(&format!("{connection}: the message fails: {error}"));
                    continue;
                }
            };
            let Some(notifier) = self.project.settings.connections.notifier(connection) else {
                self.warn(&format!("{connection}: it carries no messages any more"));
                continue;
            };
            let log = self.log.clone();
            let around = Sending {
                log: Arc::new(move |line| log.info(line)),
                cancel: CancellationToken::new(),
                clock: self.clock.clone(),
                sent: None,
                masker: self.log.masker().clone(),
            };
            // It is never closed.
            let _permit = self.gate.acquire().await;
            match notifier.notify(&message, &around).await {
                Ok(place) => {
                    let what = self.notice.occasion;
                    self.log.info(format!("told {place} of the {what}"));
                }
                Err(error) if error.retryable && !last => {
                    self.log.warn(format!("{connection}: {error}"));
                    asked = asked.max(error.retry_after.unwrap_or_default());
                    again.push(receiver);
                }
                Err(error) => self.warn(&format!("{connection}: {error}")),
            }
        }
        (again, asked)
    }

    async fn pinned(
        &self,
        stored: Option<StoredRun>,
    ) -> Result<Option<(RunSpec, Arc<Pipeline>)>, StoreError> {
        let Some(StoredRun { spec, .. }) = stored else {
            return Ok(None);
        };
        let version = self.ask(|| self.store.version(&spec.version)).await?;
        let pipeline = version.and_then(|version| self.project.pinned(&version).ok());
        Ok(pipeline.map(|pipeline| (spec, pipeline)))
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.ask(|| self.store.settle_notice(&self.notice)).await
    }

    /// Nobody is told: the person at the terminal and the log are.
    fn warn(&self, reason: &str) {
        let reason = self.log.mask(reason);
        self.log.warn(&reason);
        let (run, dag, what) = (&self.notice.run, &self.notice.dag, self.notice.occasion);
        tracing::warn!(%run, %dag, "the {what} isn't told: {reason}");
    }

    async fn ask<T, F>(&self, call: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            match call().await {
                Err(StoreError::Unavailable { .. }) if tries < STORE_TRIES => {
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }
}

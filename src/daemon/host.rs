//! The loop. It owns the engine, its channels and the runs it carries out.
//!
//! Each turn takes in what happened, asks the engine what follows, makes that durable, and only
//! then acts on it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::owner::OwnerLock;
use super::scope::RunValues;
use crate::engine::{Action, Engine, Event};
use crate::executor::{Answer, Executor, Job, Local};
use crate::model::{
    AttemptId, AttemptOutcome, Outcome, RunId, RunSpec, RunState, TaskIndex, TaskRunId, TaskState,
    Transition,
};
use crate::secret::Masker;
use crate::spec::{Pipeline, Project};
use crate::store::{Command, CommandKind, Owner, RunStore, StoreError, StoredRun};
use crate::task::{AttemptContext, Clock, Log, Progress, log_path, shell};

/// Most events taken in one turn: with more, a commit gets late.
const TURN: usize = 4096;
/// Wait between tries of a store that can't be used now.
const STORE_PAUSE: Duration = Duration::from_millis(250);
/// How long processes that a killed runner has left may take to end.
const GRACE: Duration = Duration::from_secs(10);
/// Tries of what a person waits for, before the error is shown.
const STORE_TRIES: u32 = 12;

/// What a host is made of.
pub struct HostParts {
    pub project: Arc<Project>,
    pub store: Arc<dyn RunStore>,
    pub owner: OwnerLock,
    pub clock: Clock,
    /// Hears what happens, for whoever shows it.
    pub news: UnboundedSender<News>,
}

/// What a host may be told from its own process.
#[derive(Debug)]
pub enum Control {
    /// A person wants a run to end now.
    Cancel(RunId),
    /// All runs are to end now.
    CancelAll,
}

/// What happens, told after it is durable.
#[derive(Debug, Clone)]
pub enum News {
    /// A run was taken up.
    Run {
        spec: Arc<RunSpec>,
        pipeline: Arc<Pipeline>,
    },
    /// A state changed.
    Changed(Transition),
    /// An attempt was started.
    Started {
        attempt: AttemptId,
        progress: Arc<Progress>,
    },
    /// The store can't be written; the host waits. `None`: it can be again.
    Store(Option<String>),
}

/// A run to take up, and the version it is pinned to.
pub struct NewRun {
    pub spec: RunSpec,
    pub pipeline: Arc<Pipeline>,
}

struct Held {
    spec: Arc<RunSpec>,
    pipeline: Arc<Pipeline>,
    values: RunValues,
    /// It was begun by another process, or at another time.
    taken_up: bool,
}

/// Carries out runs until none is left.
pub struct Host {
    project: Arc<Project>,
    store: Arc<dyn RunStore>,
    owner: OwnerLock,
    clock: Clock,
    news: UnboundedSender<News>,
    engine: Engine,
    executor: Local,
    runs: HashMap<RunId, Held>,
    /// Attempts of which an answer is expected.
    active: usize,
    events: Vec<Event>,
    /// Commands that have become events, and are to be forgotten with the next commit.
    heard: Vec<Command>,
    /// What clears away after runs.
    leaving: JoinSet<()>,
    answers: (UnboundedSender<Answer>, UnboundedReceiver<Answer>),
    control: (UnboundedSender<Control>, UnboundedReceiver<Control>),
    bell: pipe::Receiver,
    masker: Masker,
}

impl Host {
    /// A host without runs.
    ///
    /// # Errors
    /// When the owner's bell can't be opened.
    pub fn new(parts: HostParts) -> std::io::Result<Self> {
        let revealed = parts.project.settings.secrets.iter();
        let secrets: Vec<String> = parts
            .project
            .settings
            .connections
            .iter()
            .flat_map(|(_, connection)| connection.secrets())
            .chain(revealed.map(|secret| secret.reveal().clone()))
            .collect();
        Ok(Self {
            bell: parts.owner.bell()?,
            engine: Engine::new(&parts.project.settings.limits),
            masker: Masker::new(secrets.iter().map(String::as_str)),
            project: parts.project,
            store: parts.store,
            owner: parts.owner,
            clock: parts.clock,
            news: parts.news,
            executor: Local::default(),
            runs: HashMap::new(),
            active: 0,
            events: Vec::new(),
            heard: Vec::new(),
            leaving: JoinSet::new(),
            answers: unbounded_channel(),
            control: unbounded_channel(),
        })
    }

    /// The owner of its runs.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        self.owner.owner()
    }

    /// A way to tell the host something while it runs.
    #[must_use]
    pub fn control(&self) -> UnboundedSender<Control> {
        self.control.0.clone()
    }

    /// Accepts a run: when this returns, it is durable and will end.
    ///
    /// # Errors
    /// When the store refuses it or can't be written.
    pub async fn accept(&mut self, run: NewRun) -> Result<(), StoreError> {
        let version = &run.pipeline.version;
        self.patiently(STORE_TRIES, async |store| store.put_version(version).await)
            .await?;
        let accepted = [crate::store::NewRun {
            spec: run.spec.clone(),
            owner: self.owner.owner().clone(),
        }];
        self.patiently(STORE_TRIES, async |store| {
            store.create_runs(&accepted).await
        })
        .await?;
        let spec = Arc::new(run.spec);
        self.events.push(Event::Triggered {
            run: spec.clone(),
            dag: run.pipeline.dag.clone(),
        });
        let values = RunValues::new(&spec);
        self.hold(spec, run.pipeline, values, false);
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

    async fn take_up(&mut self, stored: StoredRun) -> Result<(), String> {
        let hash = &stored.spec.version;
        let version = self
            .patiently(STORE_TRIES, async |store| store.version(hash).await)
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
                .patiently(STORE_TRIES, async |store| store.results(run, task).await)
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

    fn hold(
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
        self.runs.insert(
            spec.id.clone(),
            Held {
                spec,
                pipeline,
                values,
                taken_up,
            },
        );
    }

    fn tell(&self, news: News) {
        // Nobody has to listen.
        let _ = self.news.send(news);
    }

    /// Works until every run has ended.
    ///
    /// # Errors
    /// When another process has taken the runs over, or the store is damaged: what can't be waited
    /// out.
    pub async fn run_until_idle(&mut self) -> Result<(), StoreError> {
        loop {
            if self.events.is_empty() {
                // A run that has ended and is here waits for a word that may never come.
                let goes_on = |(_, state): (&RunId, RunState)| !state.is_finished();
                if self.engine.runs().any(goes_on) || self.active > 0 {
                    self.wait().await?;
                } else {
                    // A last look, so that nobody is told that he was heard and isn't.
                    self.hear().await?;
                    if self.events.is_empty() {
                        while self.leaving.join_next().await.is_some() {}
                        return Ok(());
                    }
                }
            }
            self.turn().await?;
        }
    }

    /// Waits for something to happen and takes in all that has.
    async fn wait(&mut self) -> Result<(), StoreError> {
        let until = self.engine.next_wakeup().map(|at| {
            let wait = at - (self.clock)();
            wait.to_std().unwrap_or_default()
        });
        let wakeup = async {
            match until {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answer = self.answers.1.recv() => self.answered(answer),
            control = self.control.1.recv() => self.controlled(control),
            _ = self.bell.readable() => self.belled().await?,
            () = wakeup => self.events.push(Event::Wakeup),
        }
        while self.events.len() < TURN {
            match self.answers.1.try_recv() {
                Ok(answer) => self.answered(Some(answer)),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn answered(&mut self, answer: Option<Answer>) {
        let Some(answer) = answer else { return };
        self.active = self.active.saturating_sub(1);
        self.events.push(match answer {
            Answer::Finished { attempt, result } => Event::AttemptFinished { attempt, result },
            Answer::Lost { attempt, message } => Event::AttemptLost { attempt, message },
        });
    }

    fn controlled(&mut self, control: Option<Control>) {
        match control {
            Some(Control::Cancel(run)) => self.events.push(Event::CancelRequested { run }),
            Some(Control::CancelAll) => {
                let runs: Vec<RunId> = self.runs.keys().cloned().collect();
                let cancel = |run| Event::CancelRequested { run };
                self.events.extend(runs.into_iter().map(cancel));
            }
            None => {}
        }
    }

    async fn belled(&mut self) -> Result<(), StoreError> {
        let mut bytes = [0; 64];
        while self.bell.try_read(&mut bytes).is_ok_and(|read| read > 0) {}
        self.hear().await
    }

    /// Takes in what people have decided about runs that belong to this owner. It is forgotten when
    /// what it leads to is durable.
    async fn hear(&mut self) -> Result<(), StoreError> {
        let owner = self.owner.owner();
        let commands = self
            .patiently(u32::MAX, async |store| store.commands(owner).await)
            .await?;
        for command in commands {
            if self.heard.contains(&command) {
                continue;
            }
            if !self.runs.contains_key(&command.run) && !self.can_hear(&command).await? {
                continue;
            }
            let run = command.run.clone();
            self.events.push(match command.kind.clone() {
                CommandKind::Cancel => Event::CancelRequested { run },
                CommandKind::Retry { tasks } => Event::RetryRequested { run, tasks },
                CommandKind::Mark { task, outcome } => Event::Marked { run, task, outcome },
            });
            self.heard.push(command);
        }
        Ok(())
    }

    /// Takes up a run that has ended for a command that may make it go on. `false`: the command is
    /// for a run that can't be carried out here, and stays for whoever can.
    async fn can_hear(&mut self, command: &Command) -> Result<bool, StoreError> {
        let run = &command.run;
        let stored = self
            .patiently(u32::MAX, async |store| store.load(run).await)
            .await?;
        let Some(stored) = stored.filter(|stored| stored.owner == *self.owner.owner()) else {
            return Ok(false);
        };
        if !stored.state.is_finished() {
            return Ok(false);
        }
        // To cancel what has ended is done.
        if command.kind == CommandKind::Cancel {
            return Ok(true);
        }
        match self.take_up(stored).await {
            Ok(()) => Ok(true),
            Err(reason) => {
                tracing::warn!(%run, %reason, "it can't go on");
                Ok(false)
            }
        }
    }

    /// One turn: events in, transitions durable, actions out.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let now = (self.clock)();
        let events = std::mem::take(&mut self.events);
        let actions = self.engine.handle(now, events);
        let mut transitions = Vec::new();
        let mut rest = Vec::new();
        for action in actions {
            match action {
                Action::Record(transition) => transitions.push(transition),
                other => rest.push(other),
            }
        }
        let heard = std::mem::take(&mut self.heard);
        if !transitions.is_empty() || !heard.is_empty() {
            let owner = self.owner.owner();
            self.patiently(u32::MAX, async |store| {
                store.commit_heard(owner, &transitions, &heard).await
            })
            .await?;
        }
        for transition in transitions {
            self.took_place(transition);
        }
        if !heard.is_empty() {
            // What had no effect on a run that has ended makes the engine forget that run.
            let engine = &self.engine;
            self.runs.retain(|run, _| engine.run_state(run).is_some());
        }
        for action in rest {
            self.act(action).await;
        }
        Ok(())
    }

    /// Asks the store, waiting while it can't be used. Every call may have had its effect although
    /// an error came back: each of them can be repeated.
    async fn patiently<T>(
        &self,
        tries: u32,
        call: impl AsyncFn(&dyn RunStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut failed = 0;
        loop {
            match call(self.store.as_ref()).await {
                Err(StoreError::Unavailable { action, message }) if failed + 1 < tries => {
                    failed += 1;
                    // Once may be bad luck; twice is worth a word.
                    if failed == 2 {
                        let error = StoreError::Unavailable { action, message };
                        tracing::error!(%error, "waiting for the run state");
                        self.tell(News::Store(Some(error.to_string())));
                    }
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                answer => {
                    if failed > 1 {
                        self.tell(News::Store(None));
                    }
                    return answer;
                }
            }
        }
    }

    /// Keeps the values that later templates read, and tells the news.
    fn took_place(&mut self, transition: Transition) {
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
                Transition::Run { run, state, .. } if state.is_finished() => {
                    let run = run.clone();
                    if self.runs.remove(&run).is_some_and(|held| held.taken_up) {
                        self.clear_away(run);
                    }
                }
                _ => {}
            }
        }
        self.tell(News::Changed(transition));
    }

    /// Ends and removes what the attempts of a run have left behind whose process was killed, and
    /// that no later attempt has cleared away.
    fn clear_away(&mut self, run: RunId) {
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

    fn log(&self, path: PathBuf) -> Log {
        let limit = self.project.settings.log_limit;
        Log::new(path, limit, self.masker.clone(), self.clock.clone())
    }

    async fn act(&mut self, action: Action) {
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
                        &self.project.environment,
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

    fn dispatch(&mut self, attempt: AttemptId) {
        let Some(held) = self.runs.get(&attempt.run) else {
            return;
        };
        let id: TaskRunId = attempt.task_run;
        let spec = &held.pipeline.tasks[id.task.get()];
        let places = &self.project.places;
        let log: PathBuf = places.state.join(log_path(&attempt, &spec.id));
        let progress = Arc::new(Progress::default());
        let context = AttemptContext {
            dag: held.spec.dag.clone(),
            task: spec.id.clone(),
            scope: held
                .values
                .scope(&held.pipeline, id, &self.project.environment),
            connections: self.project.settings.connections.clone(),
            places: places.clone(),
            datasets: held.values.datasets(&held.pipeline, id.task),
            log: self.log(log),
            progress: progress.clone(),
            cancel: tokio_util::sync::CancellationToken::new(),
            clock: self.clock.clone(),
            id: attempt.clone(),
        };
        let job = Job {
            action: spec.action.clone(),
            context,
        };
        self.tell(News::Started { attempt, progress });
        self.active += 1;
        self.executor.start(job, &self.answers.0);
    }
}

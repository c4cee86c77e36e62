//! The loop. It owns the engine, its channels and the runs it carries out.
//!
//! Each turn takes in what happened, asks the engine what follows, makes that durable, and only
//! then acts on it.

mod accept;
mod act;
mod children;
mod hear;
mod parts;
mod patience;
mod told;
mod trace;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::accept::STORE_TRIES;
pub use self::children::{Wish, no_runs};
use self::parts::Held;
pub(super) use self::parts::Told;
pub use self::parts::{Control, HostParts, NewRun, News};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::owner::OwnerLock;
use super::supervisor::Supervisor;
use super::tell::Teller;
use crate::engine::{Action, Engine, Event};
use crate::executor::{Answer, Local};
use crate::model::{AttemptId, RunId, RunSpec, RunState, Timestamp};
use crate::secret::Masker;
use crate::spec::Project;
use crate::store::{Command, Owner, RunStore, StoreError};
use crate::task::{Clock, RunEnd};
use crate::telemetry::Telemetry;

/// Most events taken in one turn: with more, a commit gets late.
const TURN: usize = 4096;

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
    /// Those among them whose run goes on until it is stopped.
    streaming: HashSet<AttemptId>,
    events: Vec<Event>,
    /// What attempts want of other runs, and who waits for the end of which.
    wishes: Vec<Wish>,
    awaited: HashMap<RunId, Vec<oneshot::Sender<Option<RunEnd>>>>,
    /// Runs that have ended in this turn and are waited for.
    settled: Vec<RunId>,
    /// Commands that have become events, and are to be forgotten with the next commit.
    heard: Vec<Command>,
    /// What clears away after runs.
    leaving: JoinSet<()>,
    pub(super) supervisor: Supervisor,
    teller: Teller,
    telemetry: Telemetry,
    answers: (UnboundedSender<Answer>, UnboundedReceiver<Answer>),
    control: (UnboundedSender<Control>, UnboundedReceiver<Control>),
    bell: pipe::Receiver,
    masker: Masker,
    told: Told,
    /// Runs have begun or ended here that the project's daemon hasn't been told of.
    unheard: bool,
    /// This is the project's daemon.
    is_daemon: bool,
    /// No attempt is started any more.
    draining: bool,
    /// Follows the wall clock; without it a timer counts the time that a wait takes.
    alarm: Option<Alarm>,
    /// Versions that the store has from here.
    versions: HashSet<String>,
}

impl Host {
    /// A host without runs.
    ///
    /// # Errors
    /// When the owner's bell can't be opened.
    pub fn new(parts: HostParts) -> std::io::Result<Self> {
        let teller = Teller::new(parts.store.clone(), parts.clock.clone());
        let environment = parts.project.environment.clone();
        Ok(Self {
            bell: parts.owner.bell()?,
            engine: Engine::new(&parts.project.settings.limits),
            masker: masker_of(&parts.project),
            told: Told::default(),
            unheard: false,
            is_daemon: false,
            draining: false,
            alarm: None,
            versions: HashSet::new(),
            project: parts.project,
            store: parts.store,
            owner: parts.owner,
            clock: parts.clock,
            news: parts.news,
            executor: Local::default(),
            runs: HashMap::new(),
            active: 0,
            streaming: HashSet::new(),
            events: Vec::new(),
            wishes: Vec::new(),
            awaited: HashMap::new(),
            settled: Vec::new(),
            heard: Vec::new(),
            leaving: JoinSet::new(),
            supervisor: Supervisor::default(),
            teller,
            telemetry: Telemetry::begin(&environment),
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
        self.take_notices().await?;
        loop {
            if self.events.is_empty() {
                // A run that has ended and is here waits for a word that may never come.
                let goes_on = |(_, state): (&RunId, RunState)| !state.is_finished();
                if self.engine.runs().any(goes_on) || self.active > 0 {
                    self.wait(None).await?;
                } else {
                    // A last look, so that nobody is told that he was heard and isn't.
                    self.hear().await?;
                    if self.events.is_empty() {
                        while self.leaving.join_next().await.is_some() {}
                        self.finish_telling(told::PATIENCE).await;
                        self.telemetry.flush().await;
                        return Ok(());
                    }
                }
            }
            self.turn().await?;
        }
    }

    /// Waits for something to happen, at most until a moment, and does what follows.
    pub(super) async fn step(&mut self, until: Option<Timestamp>) -> Result<(), StoreError> {
        if self.events.is_empty() {
            self.wait(until).await?;
        }
        self.turn().await
    }

    /// Something that happened elsewhere, for the next turn.
    pub(super) fn happen(&mut self, event: Event) {
        self.events.push(event);
    }

    /// What was told since the last call.
    pub(super) fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    /// Whether no run is here that goes on, and no attempt is on its way.
    pub(super) fn is_idle(&self) -> bool {
        let goes_on = |(_, state): (&RunId, RunState)| !state.is_finished();
        self.events.is_empty() && self.active == 0 && !self.engine.runs().any(goes_on)
    }

    /// Attempts that are on their way and end by themselves.
    pub(super) fn ending(&self) -> usize {
        self.active.saturating_sub(self.streaming.len())
    }

    /// Waits by the wall clock from now on, as it is set.
    pub(super) fn follow_clock(&mut self, alarm: Alarm) {
        self.alarm = Some(alarm);
    }

    /// It is the host of the project's daemon from now on.
    pub(super) fn become_daemon(&mut self) {
        self.is_daemon = true;
    }

    /// How many runs are here that go on, or are about to.
    pub(super) fn unfinished(&self) -> usize {
        let runs = self.engine.runs();
        runs.filter(|(_, state)| !state.is_finished()).count()
    }

    /// The runs that are here and go on until they are stopped.
    pub(super) fn streams(&self) -> impl Iterator<Item = &RunId> {
        let streams = self.runs.iter().filter(|(_, held)| held.is_stream);
        streams.map(|(run, _)| run)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    pub(super) fn is_stream(&self, run: &RunId) -> bool {
        self.runs.get(run).is_some_and(|held| held.is_stream)
    }

    /// The runs that are here, with their DAGs.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Arc<RunSpec>> {
        self.runs.values().map(|held| &held.spec)
    }

    pub(super) fn project(&self) -> &Arc<Project> {
        &self.project
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Another definition of the project, for the runs to come.
    pub(super) fn change_project(&mut self, project: Arc<Project>) {
        self.engine.limit(&project.settings.limits);
        self.masker = masker_of(&project);
        self.project = project;
    }

    /// Waits for something to happen and takes in all that has.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<(), StoreError> {
        let until = [self.engine.next_wakeup(), until]
            .into_iter()
            .flatten()
            .min();
        let (alarm, clock) = (&self.alarm, &self.clock);
        let wakeup = async {
            let Some(at) = until else {
                return std::future::pending().await;
            };
            if let Some(alarm) = alarm {
                match alarm.ring(at).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "counting seconds instead"),
                }
            }
            let left = (at - clock()).to_std().unwrap_or_default();
            tokio::time::sleep(left).await;
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
        self.answer_wishes().await
    }

    fn answered(&mut self, answer: Option<Answer>) {
        let Some(answer) = answer else { return };
        self.active = self.active.saturating_sub(1);
        let (Answer::Finished { attempt, .. } | Answer::Lost { attempt, .. }) = &answer;
        self.streaming.remove(attempt);
        self.events.push(match answer {
            Answer::Finished { attempt, result } => Event::AttemptFinished { attempt, result },
            Answer::Lost { attempt, message } => Event::AttemptLost { attempt, message },
        });
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
        let notices = self.due(&transitions).await?;
        if !transitions.is_empty() || !heard.is_empty() {
            let owner = self.owner.owner();
            self.patiently(u32::MAX, |store| {
                store.commit_all(owner, &transitions, &heard, &notices)
            })
            .await?;
        }
        for notice in notices {
            self.teller.tell(&self.project, &self.masker, notice);
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
        self.tell_daemon();
        self.tell_waiting().await
    }
}

/// Hides what the project's connections know, what lets callers of webhooks in, and the variables of
/// the environment whose names say that they are secrets: scripts see them all.
#[must_use]
pub fn masker_of(project: &Project) -> Masker {
    let environment = &project.environment;
    let revealed = project.settings.secrets.iter();
    let connections = project.settings.connections.iter();
    let triggers = project.pipelines.values().flat_map(|it| &it.triggers);
    let hooks = triggers.filter_map(|spec| environment.get(&spec.trigger.as_hook()?.variable));
    let secrets: Vec<String> = connections
        .flat_map(|(_, connection)| connection.secrets())
        .chain(revealed.map(|secret| secret.reveal().clone()))
        .chain(hooks.chain(environment.secrets()).map(str::to_owned))
        .collect();
    Masker::new(secrets.iter().map(String::as_str))
}

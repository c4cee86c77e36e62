//! The loop of the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::DaemonLock;
use super::elsewhere::Elsewhere;
use super::known;
use super::lanes::Lanes;
use super::watchers::Watchers;
use crate::daemon::{Alarm, Host};
use crate::engine::Event;
use crate::engine::plan::{PlanEvent, Planner, Waiting};
use crate::model::{DagId, RunId, Timestamp};
use crate::spec::{Loaded, Pipeline};
use crate::store::StoreError;

/// How long messages may take at the end. What isn't told then is told at the next start.
const TELLING: Duration = Duration::from_secs(3);

/// When the daemon ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When it is told to.
    Told,
    /// When everything that is due now has ended.
    Once,
    /// When this moment has come and everything that began has ended.
    Moment(Timestamp),
}

/// What a scheduler is made of.
pub struct SchedulerParts {
    pub host: Host,
    pub lock: DaemonLock,
    /// Waits by the wall clock; `None`: by a timer, which a test can turn.
    pub alarm: Option<Alarm>,
    pub until: Until,
    /// How long attempts may go on after the daemon was told to end.
    pub grace: Duration,
    pub read: ReadProject,
    /// What was read first, and made the host's project.
    pub loaded: Loaded,
}

/// Reads the project anew.
pub type ReadProject = Arc<dyn Fn() -> Loaded + Send + Sync>;

/// Begins runs by their schedules and carries them out.
pub struct Scheduler {
    pub(super) host: Host,
    pub(super) planner: Planner,
    /// The last good definition of each DAG.
    pub(super) pipelines: BTreeMap<DagId, Arc<Pipeline>>,
    pub(super) paused: BTreeSet<DagId>,
    pub(super) read: ReadProject,
    pub(super) until: Until,
    grace: Duration,
    drained_by: Option<Timestamp>,
    /// What reading the project needed has been given back since.
    rested: bool,
    /// The moment of [`Until::Moment`] has come.
    is_over: bool,
    pub(super) elsewhere: Elsewhere,
    /// For the planner, found out while its decisions were carried out.
    pub(super) found: Vec<PlanEvent>,
    /// What was seen outside, and who looks.
    pub(super) lanes: Lanes,
    /// The mistakes of the project, as they were said last.
    pub(super) broken: String,
    _lock: DaemonLock,
}

impl Scheduler {
    /// A scheduler of the host's project.
    #[must_use]
    pub fn new(mut parts: SchedulerParts) -> Self {
        if let Some(alarm) = parts.alarm {
            parts.host.follow_clock(alarm);
        }
        parts.host.become_daemon();
        let watchers = Watchers::new(parts.host.control());
        let once = parts.until == Until::Once;
        let lanes = Lanes::new(watchers, parts.host.clock(), once);
        let mut scheduler = Self {
            lanes,
            pipelines: parts.host.project().pipelines.clone(),
            host: parts.host,
            planner: Planner::new(),
            paused: BTreeSet::new(),
            read: parts.read,
            until: parts.until,
            grace: parts.grace,
            drained_by: None,
            rested: false,
            is_over: false,
            elsewhere: Elsewhere::default(),
            found: Vec::new(),
            broken: String::new(),
            _lock: parts.lock,
        };
        scheduler.say_what_is_broken(&parts.loaded);
        scheduler
    }

    /// Works until it is told to end, or [`Until`] says so.
    ///
    /// # Errors
    /// When another process has taken the runs over, or the store is damaged.
    pub async fn run(mut self) -> Result<(), StoreError> {
        let keeper = self.host.keeper();
        let elsewhere = self.take_up_runs().await?;
        self.know_all(elsewhere).await?;
        self.host.supervisor.ready();
        loop {
            self.tell_supervisor();
            keeper.follow(self.host.project(), self.host.is_idle());
            let told = self.host.take_told();
            let mut events = std::mem::take(&mut self.found);
            for spec in told.began {
                let dag = spec.dag.clone();
                let active = known::active(&spec);
                events.extend(active.map(|active| PlanEvent::Began { dag, active }));
            }
            if told.belled {
                let elsewhere = self.take_up_runs().await?;
                events.extend(self.look_elsewhere(elsewhere).await?);
                events.extend(self.pauses().await?);
                self.take_calls().await?;
            }
            for saw in told.saw {
                events.extend(self.lanes.take_in(saw, &self.planner));
            }
            for (spec, dataset, at) in told.wrote {
                events.push(known::wrote(&spec, dataset, at));
            }
            for (spec, state, at) in told.ended {
                events.push(known::ended(&spec, state, at));
            }
            if told.reload && !self.host.is_draining() {
                self.host.supervisor.reloading();
                events.extend(self.reload().await?);
                self.host.supervisor.ready();
                self.rested = false;
            }
            let now = self.host.now();
            if told.hurry {
                self.drained_by = Some(now);
            }
            self.look_at_the_end(now);
            if !self.host.is_draining() && !self.is_over {
                let decisions = self.planner.handle(now, events);
                self.carry_out(decisions).await?;
                let project = self.host.project().clone();
                if self.lanes.follow(&project, &self.planner) {
                    self.take_calls().await?;
                }
                self.found.extend(self.lanes.feed(&self.planner));
            }
            if self.ends(now).await {
                self.host.finish_telling(TELLING).await;
                self.host.finish_tracing().await;
                return Ok(());
            }
            let next = self.next_look();
            if self.found.is_empty() {
                self.rest();
                self.host.step(next).await?;
            }
        }
    }

    /// Whoever stays gives back what only reading the project needed.
    fn rest(&mut self) {
        if !self.rested && self.until == Until::Told && self.host.is_idle() {
            self.rested = true;
            crate::daemon::rest::give_back();
        }
    }

    /// What a person sees who asks the service manager.
    fn tell_supervisor(&self) {
        let supervisor = &self.host.supervisor;
        if !supervisor.is_there() {
            return;
        }
        if self.host.is_draining() {
            supervisor.stopping();
        }
        let (dags, runs) = (self.pipelines.len(), self.host.runs().count());
        let next = self.planner.next_wakeup();
        let next = next.map(|at| format!(", next at {}", at.format("%H:%M:%S UTC")));
        let next = next.filter(|_| !self.host.is_draining());
        supervisor.status(format!(
            "{dags} DAGs, {runs} runs going on{}",
            next.unwrap_or_default()
        ));
    }

    /// Why a DAG doesn't begin a run now.
    #[must_use]
    pub fn why(&self, dag: &DagId) -> Option<Waiting> {
        self.planner.why(dag)
    }

    /// At its last moment it starts nothing more, and ends what would go on for ever.
    fn look_at_the_end(&mut self, now: Timestamp) {
        let Until::Moment(moment) = self.until else {
            return;
        };
        if self.is_over || now < moment {
            return;
        }
        self.is_over = true;
        let streams: Vec<RunId> = self.host.streams().cloned().collect();
        for run in streams {
            self.host.happen(Event::CancelRequested { run });
        }
    }

    fn next_look(&self) -> Option<Timestamp> {
        let until = match self.until {
            Until::Moment(moment) if !self.is_over => Some(moment),
            _ => None,
        };
        let tick = if self.is_over || self.host.is_draining() {
            None
        } else {
            self.planner.next_wakeup()
        };
        [tick, until, self.drained_by].into_iter().flatten().min()
    }

    /// Whether it is time to end; attempts that go on beyond the grace time are ended first.
    async fn ends(&mut self, now: Timestamp) -> bool {
        if self.host.is_draining() {
            let grace = chrono::TimeDelta::from_std(self.grace).unwrap_or(chrono::TimeDelta::MAX);
            let by = *self
                .drained_by
                .get_or_insert_with(|| now.checked_add_signed(grace).unwrap_or(now));
            // A stream would use up the whole grace time: it is cut off, and goes on at the next
            // start from what is committed.
            if self.host.ending() == 0 || now >= by {
                self.host.kill().await;
                return true;
            }
            return false;
        }
        match self.until {
            Until::Told => false,
            Until::Once => {
                let found = !self.found.is_empty();
                self.host.is_idle() && !found && self.lanes.is_quiet(&self.planner)
            }
            Until::Moment(_) => self.is_over && self.host.is_idle(),
        }
    }
}

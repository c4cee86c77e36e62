//! The loop of the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::DaemonLock;
use super::known::{self, Found};
use super::lanes::Lanes;
use super::watchers::Watchers;
use crate::daemon::{Alarm, Host};
use crate::engine::Event;
use crate::engine::plan::{Active, PlanEvent, Planner, Waiting};
use crate::model::{DagId, RunId, RunState, Schedule, Timestamp};
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
    until: Until,
    grace: Duration,
    drained_by: Option<Timestamp>,
    /// The moment of [`Until::Moment`] has come.
    is_over: bool,
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
            is_over: false,
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
        self.take_up_runs().await?;
        self.know_all().await?;
        self.host.supervisor.ready();
        loop {
            self.tell_supervisor();
            keeper.follow(self.host.project(), self.host.is_idle());
            let told = self.host.take_told();
            let mut events = std::mem::take(&mut self.found);
            for spec in told.began {
                events.push(PlanEvent::Began {
                    dag: spec.dag.clone(),
                    active: known::active(&spec),
                });
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
            if told.belled {
                self.take_up_runs().await?;
                events.extend(self.pauses().await?);
                self.take_calls().await?;
            }
            if told.reload && !self.host.is_draining() {
                self.host.supervisor.reloading();
                events.extend(self.reload().await?);
                self.host.supervisor.ready();
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
                return Ok(());
            }
            let next = self.next_look();
            if self.found.is_empty() {
                self.host.step(next).await?;
            }
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

    /// Takes up what is ours and isn't here, and what processes that ended have left.
    async fn take_up_runs(&mut self) -> Result<(), StoreError> {
        let state = self.host.project().places.state.clone();
        let store = self.host.store().clone();
        let here: BTreeSet<RunId> = self.host.runs().map(|spec| spec.id.clone()).collect();
        for (owner, run, dag) in store.owners().await? {
            let ours = owner == *self.host.owner();
            if here.contains(&run) || (!ours && crate::daemon::is_alive(&state, &owner)) {
                continue;
            }
            let taken = store
                .adopt(&owner, &self.host.owner().clone(), Some(&run))
                .await?;
            for stored in taken {
                if stored.state.is_finished() {
                    continue;
                }
                let is_new = stored.state == RunState::Queued;
                match self.host.resume(stored).await {
                    Ok(()) if is_new => {}
                    Ok(()) => tracing::info!(%run, %dag, "goes on after an interruption"),
                    Err(reason) => tracing::error!(%run, %dag, %reason, "can't go on"),
                }
            }
        }
        self.host.take_notices().await
    }

    /// Tells the planner of every DAG, with what is remembered.
    async fn know_all(&mut self) -> Result<(), StoreError> {
        let rows = self.host.store().schedules().await?;
        let mut memories: BTreeMap<DagId, _> = BTreeMap::new();
        for row in rows {
            if row.paused {
                self.paused.insert(row.dag.clone());
            }
            memories.insert(row.dag, row.memory);
        }
        let store = self.host.store().clone();
        let mut things = known::things(store.as_ref()).await?;
        let here: BTreeMap<RunId, Active> = self
            .host
            .runs()
            .map(|spec| (spec.id.clone(), known::active(spec)))
            .collect();
        let mut running: BTreeMap<DagId, Vec<Active>> = BTreeMap::new();
        for (_, run, dag) in store.owners().await? {
            // Its own process looks after the deadline of a run that isn't here.
            let elsewhere = Active { run, since: None };
            let active = here.get(&elsewhere.run).cloned().unwrap_or(elsewhere);
            running.entry(dag).or_default().push(active);
        }
        // What was taken up is among them.
        self.host.take_told();
        let mut events = Vec::with_capacity(self.pipelines.len());
        for (dag, pipeline) in &self.pipelines {
            if self.until == Until::Once && pipeline.schedule == Some(Schedule::Always) {
                tracing::info!(%dag, "left out: a stream has no end to wait for");
                continue;
            }
            let found = Found {
                memory: memories.remove(dag).unwrap_or_default(),
                paused: self.paused.contains(dag),
                running: running.remove(dag).unwrap_or_default(),
                things: things.remove(dag).unwrap_or_default(),
            };
            events.push(known::known(store.as_ref(), &self.pipelines, pipeline, found).await?);
        }
        let now = self.host.now();
        let dags = events.len();
        let decisions = self.planner.handle(now, events);
        let paused = self
            .pipelines
            .keys()
            .filter(|dag| self.paused.contains(*dag));
        let paused = match paused.count() {
            0 => String::new(),
            count => format!(", {count} of them paused"),
        };
        let next = self.planner.next_wakeup().map_or_else(String::new, |next| {
            format!("; next at {}", next.format("%Y-%m-%dT%H:%M:%SZ"))
        });
        let s = if dags == 1 { "" } else { "s" };
        tracing::info!("scheduling {dags} DAG{s}{paused}{next}");
        self.carry_out(decisions).await
    }

    /// Calls from outside that nobody has decided about.
    async fn take_calls(&mut self) -> Result<(), StoreError> {
        let calls = self.host.store().calls().await?;
        self.lanes.take_calls(calls);
        Ok(())
    }

    /// What people have paused or let go on.
    async fn pauses(&mut self) -> Result<Vec<PlanEvent>, StoreError> {
        let rows = self.host.store().schedules().await?;
        let paused: BTreeSet<DagId> = rows
            .into_iter()
            .filter(|row| row.paused)
            .map(|row| row.dag)
            .collect();
        let mut events = Vec::new();
        for dag in paused.symmetric_difference(&self.paused).cloned() {
            let is_paused = paused.contains(&dag);
            let what = if is_paused { "is paused" } else { "goes on" };
            tracing::info!(%dag, "{what}");
            events.push(PlanEvent::Paused {
                paused: is_paused,
                dag,
            });
        }
        self.paused = paused;
        Ok(events)
    }
}

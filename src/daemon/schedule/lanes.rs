//! What is seen outside and waits for its run. It is kept in memory only: what hasn't started its
//! run is still there after a crash, and is seen again.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::firing::{batch, firing};
use super::watchers::{Saw, Watcher, Watchers};
use crate::engine::plan::{Key, PlanEvent, Planner};
use crate::model::DagId;
use crate::spec::{Pipeline, Project, TriggerSpec};
use crate::store::Call;
use crate::task::Clock;
use crate::trigger::{Around, Item, Sight, View};

/// The triggers of all DAGs, and what they have seen.
pub(super) struct Lanes {
    dags: BTreeMap<DagId, Vec<Lane>>,
    watchers: Watchers,
    clock: Clock,
    /// Nobody waits for more than what is there already.
    once: bool,
    /// The project that they are of.
    project: Option<Arc<Project>>,
    /// Which trigger of a DAG is the first to begin a run: each in turn.
    turn: usize,
}

/// One trigger.
struct Lane {
    /// The version of its DAG.
    version: String,
    /// What it waits for.
    awaited: String,
    watcher: Watcher,
    task: Option<AbortHandle>,
    items: VecDeque<Item>,
    /// All that was there at its first look has been told, or can't be.
    quiet: bool,
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Lanes {
    pub(super) fn new(watchers: Watchers, clock: Clock, once: bool) -> Self {
        Self {
            dags: BTreeMap::new(),
            watchers,
            clock,
            once,
            project: None,
            turn: 0,
        }
    }

    /// Looks for what the project's triggers wait for, and for nothing else. Those that are as they
    /// were go on.
    pub(super) fn follow(&mut self, project: &Arc<Project>, planner: &Planner) -> bool {
        let known = self.project.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, project)) {
            return false;
        }
        self.project = Some(project.clone());
        let pipelines = &project.pipelines;
        self.dags.retain(|dag, lanes| {
            let now = pipelines.get(dag).map(|pipeline| &pipeline.version.hash);
            lanes.iter().all(|lane| Some(&lane.version) == now)
        });
        for (dag, pipeline) in pipelines {
            if !pipeline.triggers.is_empty() && !self.dags.contains_key(dag) {
                let lanes = pipeline.triggers.iter();
                let lanes: Vec<Lane> = lanes
                    .map(|spec| self.lane(project, pipeline, spec, planner))
                    .collect();
                self.dags.insert(dag.clone(), lanes);
            }
        }
        true
    }

    fn lane(
        &mut self,
        project: &Project,
        pipeline: &Pipeline,
        spec: &TriggerSpec,
        planner: &Planner,
    ) -> Lane {
        let around = Around {
            purpose: format!("runner {}", pipeline.id),
            connections: project.settings.connections.clone(),
            places: project.places.clone(),
            clock: self.clock.clone(),
            once: self.once,
            ordinal: spec.ordinal,
            stands: planner.places(&pipeline.id),
        };
        let (watcher, task) = match spec.trigger.watch(&around) {
            Some(watch) => {
                let (watcher, task) = self.watchers.begin(watch);
                (watcher, Some(task))
            }
            None => (self.watchers.number(), None),
        };
        Lane {
            version: pipeline.version.hash.clone(),
            awaited: spec.trigger.awaited(),
            watcher,
            quiet: task.is_none(),
            task,
            items: VecDeque::new(),
        }
    }

    /// Takes in what somebody saw.
    pub(super) fn take_in(&mut self, saw: Saw, planner: &Planner) -> Vec<PlanEvent> {
        let found = self.dags.iter_mut().find_map(|(dag, lanes)| {
            let mut lanes = lanes.iter_mut();
            let lane = lanes.find(|lane| lane.watcher == saw.watcher)?;
            Some((dag, lane))
        });
        // It may have been looked on by a definition of the past.
        let Some((dag, lane)) = found else {
            return Vec::new();
        };
        let mut troubles = planner.troubles(dag);
        let known = troubles.find(|(trigger, _)| *trigger == lane.awaited);
        let trouble = |message| PlanEvent::Trouble {
            dag: dag.clone(),
            trigger: lane.awaited.clone(),
            message,
        };
        let sight = match saw.sight {
            Ok(sight) => sight,
            Err(error) => {
                lane.quiet = true;
                if known.is_some_and(|(_, known)| known.message == error.0) {
                    return Vec::new();
                }
                tracing::warn!(%dag, "can't look for {}: {error}", lane.awaited);
                return vec![trouble(Some(error.0))];
            }
        };
        let mut events = Vec::new();
        if known.is_some() {
            tracing::info!(%dag, "looks for {} again", lane.awaited);
            events.push(trouble(None));
        }
        match sight {
            Sight::View(view) => {
                lane.quiet = view.unready.is_empty();
                let names = vanished(dag, &view, planner);
                if !names.is_empty() {
                    let dag = dag.clone();
                    events.push(PlanEvent::Vanished { dag, names });
                }
                let new = |item: &Item| !planner.has_fired(dag, &item.key);
                lane.items = view.items.into_iter().filter(new).collect();
            }
            Sight::Arrived { items, quiet } => {
                lane.quiet |= quiet;
                lane.items.extend(items);
            }
            Sight::Stands(stands) => {
                events.extend(stands.into_iter().map(|(stream, next)| PlanEvent::Stands {
                    dag: dag.clone(),
                    stream,
                    next,
                }));
            }
        }
        events
    }

    /// Takes in all calls that nobody has decided about.
    pub(super) fn take_calls(&mut self, calls: Vec<Call>) {
        let Some(project) = &self.project else {
            return;
        };
        let mut by_dag: BTreeMap<DagId, VecDeque<Item>> = BTreeMap::new();
        for call in calls {
            let items = by_dag.entry(call.dag.clone()).or_default();
            items.push_back(called(call));
        }
        for (dag, lanes) in &mut self.dags {
            let Some(pipeline) = project.pipelines.get(dag) else {
                continue;
            };
            let hook = pipeline
                .triggers
                .iter()
                .position(|spec| spec.trigger.as_hook().is_some());
            if let Some(lane) = hook.and_then(|at| lanes.get_mut(at)) {
                lane.items = by_dag.remove(dag).unwrap_or_default();
            }
        }
    }

    /// What may be decided on now, as far as there is room for runs.
    pub(super) fn feed(&mut self, planner: &Planner) -> Vec<PlanEvent> {
        let mut events = Vec::new();
        let Some(project) = &self.project else {
            return events;
        };
        for (dag, lanes) in &mut self.dags {
            let Some(pipeline) = project.pipelines.get(dag) else {
                continue;
            };
            if lanes.iter().all(|lane| lane.items.is_empty()) {
                continue;
            }
            self.turn = self.turn.wrapping_add(1);
            let first = self.turn % lanes.len();
            let order = (first..lanes.len()).chain(0..first);
            let mut takes = planner.takes(dag);
            let mut fed: HashSet<Key> = HashSet::new();
            for at in order {
                let (lane, spec) = (&mut lanes[at], &pipeline.triggers[at]);
                while takes > 0 {
                    // Two patterns may see the same file.
                    let is_new = |item: &Item| match &item.key {
                        Key::Call(_) => true,
                        key => !fed.contains(key) && !planner.has_fired(dag, key),
                    };
                    let items = batch(&mut lane.items, spec.batch, is_new);
                    if items.is_empty() {
                        break;
                    }
                    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
                    fed.extend(keys.iter().cloned());
                    let dag = dag.clone();
                    match firing(pipeline, spec, items) {
                        Ok(firing) => {
                            takes -= 1;
                            events.push(PlanEvent::Fired { dag, keys, firing });
                        }
                        Err(reason) => {
                            tracing::error!(%dag, "a run can't begin: {reason}");
                            let (trigger, message) = (lane.awaited.clone(), Some(reason));
                            events.push(PlanEvent::Trouble {
                                dag,
                                trigger,
                                message,
                            });
                        }
                    }
                }
            }
        }
        events
    }

    /// Whether all that was there has been seen, and nothing of it can start a run now.
    pub(super) fn is_quiet(&self, planner: &Planner) -> bool {
        self.dags.iter().all(|(dag, lanes)| {
            let waits = lanes.iter().any(|lane| !lane.items.is_empty());
            lanes.iter().all(|lane| lane.quiet) && (!waits || planner.takes(dag) == 0)
        })
    }
}

/// The things that a view would have, and hasn't.
fn vanished(dag: &DagId, view: &View, planner: &Planner) -> Vec<String> {
    let ready = view.items.iter().filter_map(|item| match &item.key {
        Key::Thing { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let unready = view.unready.iter().map(String::as_str);
    let there: HashSet<&str> = ready.chain(unready).collect();
    let things = planner.things(dag);
    things
        .filter(|name| !there.contains(name) && view.scope.covers(name))
        .map(str::to_owned)
        .collect()
}

/// A call as something that calls for a run.
fn called(call: Call) -> Item {
    Item {
        source: format!("call {}", call.id.replace('\n', " ")),
        detail: serde_json::from_str(&call.detail.0).unwrap_or_default(),
        key: Key::Call(call.id),
        room: None,
    }
}

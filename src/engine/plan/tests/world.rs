//! A planner in virtual time, with the store and the runs around it.

use super::*;

pub(super) fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(super) fn dag(name: &str) -> DagId {
    DagId::new(name).unwrap()
}

pub(super) fn every(seconds: u64, catchup: Catchup, overlap: OverlapPolicy) -> Schedule {
    Schedule::Ticks(Timetable {
        clocks: vec![Clock {
            rule: Rule::Every(Every {
                period: Duration::from_secs(seconds),
                anchor: at(0),
            }),
            timezone: chrono_tz::Tz::UTC,
            start: None,
            end: None,
            calendar: crate::model::Calendar::default(),
        }],
        catchup,
        overlap,
        jitter: Duration::ZERO,
    })
}

pub(super) fn active(run: &RunId, occurrence: &Occurrence) -> Active {
    Active {
        run: run.clone(),
        since: Some(occurrence.tick),
    }
}

pub(super) fn plan(name: &str, schedule: Option<Schedule>) -> DagPlan {
    DagPlan {
        dag: dag(name),
        version: "1".to_owned(),
        schedule,
        overlap: Queue,
        max_runs: None,
        depends_on_past: false,
        after: After::default(),
        triggers: Vec::new(),
        deadline: None,
    }
}

/// A planner, and the store and runs around it.
pub(super) struct World {
    pub(super) planner: Planner,
    pub(super) plans: BTreeMap<DagId, DagPlan>,
    pub(super) memories: BTreeMap<DagId, Memory>,
    pub(super) things: BTreeMap<DagId, BTreeMap<String, String>>,
    pub(super) paused: BTreeSet<DagId>,
    pub(super) running: BTreeMap<RunId, (DagId, Occurrence)>,
    pub(super) last: BTreeMap<DagId, RunState>,
    /// What others can be told of that happened, with its second.
    pub(super) happened: Vec<(i64, Heard)>,
    pub(super) next_run: u32,
    pub(super) said: Vec<String>,
    /// Seconds of the ticks that were started, and of those that were skipped, each once.
    pub(super) started: Vec<i64>,
    pub(super) skipped: Vec<(i64, i64, u64)>,
}

impl World {
    pub(super) fn new(now: i64, plans: Vec<DagPlan>) -> Self {
        let mut world = Self {
            planner: Planner::new(),
            plans: plans
                .into_iter()
                .map(|plan| (plan.dag.clone(), plan))
                .collect(),
            memories: BTreeMap::new(),
            things: BTreeMap::new(),
            paused: BTreeSet::new(),
            running: BTreeMap::new(),
            last: BTreeMap::new(),
            happened: Vec::new(),
            next_run: 0,
            said: Vec::new(),
            started: Vec::new(),
            skipped: Vec::new(),
        };
        world.restart(now);
        world
    }

    /// Another process, that knows what the store knows.
    pub(super) fn restart(&mut self, now: i64) {
        self.planner = Planner::new();
        let known: Vec<PlanEvent> = self
            .plans
            .values()
            .map(|plan| PlanEvent::Known {
                plan: plan.clone(),
                memory: self.memories.get(&plan.dag).cloned().unwrap_or_default(),
                paused: self.paused.contains(&plan.dag),
                running: self
                    .running
                    .iter()
                    .filter(|(_, (dag, _))| *dag == plan.dag)
                    .map(|(run, (_, occurrence))| active(run, occurrence))
                    .collect(),
                last: self.last.get(&plan.dag).copied(),
                heard: self.heard_since(&plan.dag),
                things: self.things.get(&plan.dag).cloned().unwrap_or_default(),
            })
            .collect();
        self.tell(now, known);
    }

    /// As the store tells it.
    pub(super) fn heard_since(&self, dag: &DagId) -> Vec<Heard> {
        let memory = self.memories.get(dag);
        let Some(since) = memory.and_then(|memory| memory.decided) else {
            return Vec::new();
        };
        let later = self.happened.iter().filter(|(when, _)| at(*when) > since);
        later.map(|(_, heard)| heard.clone()).collect()
    }

    pub(super) fn tell(&mut self, now: i64, events: Vec<PlanEvent>) {
        for event in &events {
            match event {
                PlanEvent::Paused { dag, paused: true } => _ = self.paused.insert(dag.clone()),
                PlanEvent::Paused { dag, paused: false } => _ = self.paused.remove(dag),
                _ => {}
            }
        }
        let decisions = self.planner.handle(at(now), events);
        self.carry_out(now, decisions);
    }

    pub(super) fn carry_out(&mut self, now: i64, decisions: Vec<Decision>) {
        let seconds = |time: Timestamp| (time - at(0)).num_seconds();
        let mut follow = Vec::new();
        for decision in decisions {
            match decision {
                Decision::Start { dag, occurrence } => {
                    self.next_run += 1;
                    let run = RunId::new(&format!("{:0>13}", self.next_run)).unwrap();
                    let tick = seconds(occurrence.tick);
                    self.said.push(format!("{now}: {dag} starts {tick}"));
                    self.started.push(tick);
                    let active = active(&run, &occurrence);
                    self.running.insert(run, (dag.clone(), occurrence));
                    follow.push(PlanEvent::Began { dag, active });
                }
                Decision::Skip {
                    dag,
                    first,
                    last,
                    count,
                    reason,
                } => {
                    let (first, last) = (seconds(first), seconds(last));
                    let word = reason.words();
                    self.said.push(format!(
                        "{now}: {dag} skips {count}, {first} to {last}: {word}"
                    ));
                    self.skipped.push((first, last, count));
                }
                Decision::Cancel { dag, run } => {
                    self.said.push(format!("{now}: {dag} cancels"));
                    if self.running.contains_key(&run) {
                        follow.extend(self.end(now, &run, RunState::Cancelled));
                    }
                }
                Decision::DeadlineMissed {
                    dag,
                    run,
                    scheduled,
                    ..
                } => {
                    let what = if run.is_some() {
                        "is late with"
                    } else {
                        "hasn't begun"
                    };
                    let scheduled = seconds(scheduled);
                    self.said.push(format!("{now}: {dag} {what} {scheduled}"));
                }
                Decision::Remember { dag, memory } => {
                    self.memories.insert(dag, memory);
                }
                Decision::Keep { dag, name, stamp } => {
                    self.things.entry(dag).or_default().insert(name, stamp);
                }
                Decision::Forget { dag, name } => {
                    self.things.entry(dag).or_default().remove(&name);
                }
                Decision::Answered { dag, call } => {
                    self.said.push(format!("{now}: {dag} answers {call}"));
                }
            }
        }
        if !follow.is_empty() {
            self.tell(now, follow);
        }
    }

    pub(super) fn end(&mut self, now: i64, run: &RunId, state: RunState) -> Option<PlanEvent> {
        let (dag, occurrence) = self.running.remove(run)?;
        self.last.insert(dag.clone(), state);
        Some(PlanEvent::Ended {
            dag,
            run: run.clone(),
            state,
            at: at(now),
            interval: occurrence.interval(),
            scheduled: true,
            whole: true,
        })
    }

    pub(super) fn end_all(&mut self, now: i64, name: &str, state: RunState) {
        let runs: Vec<RunId> = self
            .running
            .iter()
            .filter(|(_, (dag, _))| dag.as_str() == name)
            .map(|(run, _)| run.clone())
            .collect();
        for run in runs {
            let event = self.end(now, &run, state);
            self.tell(now, event.into_iter().collect());
        }
    }

    /// Lets time pass as a loop does: it wakes up when the planner asks for it.
    pub(super) fn pass(&mut self, from: i64, to: i64) {
        let _ = from;
        while let Some(next) = self.planner.next_wakeup().filter(|next| *next <= at(to)) {
            let now = (next - at(0)).num_seconds();
            self.tell(now, vec![PlanEvent::Wakeup]);
        }
    }
}

pub(super) enum Step {
    /// Time passes with the loop awake.
    Pass(i64, i64),
    /// Time passes with nothing awake; then a new process starts.
    Down(i64),
    /// The machine slept, or the clock was set: the same process wakes up late.
    Late(i64),
    End(i64, RunState),
    Pause(i64, bool),
}

pub(super) fn check(plan: DagPlan, steps: &[Step], expected: &[&str]) {
    let name = plan.dag.clone();
    let mut world = World::new(0, vec![plan]);
    for step in steps {
        match step {
            Pass(from, to) => world.pass(*from, *to),
            Down(to) => world.restart(*to),
            Late(to) => world.tell(*to, vec![PlanEvent::Wakeup]),
            End(now, state) => world.end_all(*now, name.as_str(), *state),
            Pause(now, paused) => {
                let dag = name.clone();
                let event = PlanEvent::Paused {
                    dag,
                    paused: *paused,
                };
                world.tell(*now, vec![event]);
            }
        }
    }
    assert_eq!(world.said, expected);
}

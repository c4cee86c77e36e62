//! Who may start next: what is ready, in order, and how much room there is.
//!
//! ```text
//! heads: the first of each pool that has room for it
//!   └─ pool: the first of each run that is below its own limit
//!        └─ lane of one run in one pool: everything ready, in order
//! ```
//!
//! Each level shows its best to the level above, so one start or end costs a few tree operations,
//! however much waits. Nobody overtakes within a pool: a task that wants many slots gets them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::state::RunKey;
use crate::model::{PoolId, Task, TaskRunId};

/// The pool of attempts that only wait. They need room to begin, and then give it back.
const WAITS: usize = 1;

/// A place in the queue: larger priority first, then the order of becoming ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    priority: Reverse<i64>,
    number: u64,
}

impl Turn {
    /// The turn of something that isn't in the queue yet. No real turn equals it.
    pub(super) const NONE: Self = Self {
        priority: Reverse(i64::MAX),
        number: 0,
    };
}

/// The slots that one attempt of a task takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pool: usize,
    slots: u32,
}

/// Why something in the queue doesn't start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    Run(u32),
    Pool { slots: u32, used: u32 },
    All(u32),
}

#[derive(Debug)]
pub(super) struct Queue {
    active: u32,
    most: Option<u32>,
    /// The first one stands for all pools without a limit, the second is that of what only waits.
    pools: Vec<Pool>,
    names: BTreeMap<PoolId, usize>,
    runs: BTreeMap<RunKey, Lanes>,
    heads: BTreeMap<Turn, usize>,
    turns: u64,
}

#[derive(Debug, Default)]
struct Pool {
    slots: Option<u32>,
    used: u32,
    firsts: BTreeMap<Turn, (RunKey, u32)>,
    /// What it shows in [`Queue::heads`].
    head: Option<Turn>,
}

#[derive(Debug)]
struct Lanes {
    active: u32,
    most: Option<u32>,
    by_pool: BTreeMap<usize, Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeMap<Turn, (TaskRunId, u32)>,
    /// What it shows in [`Pool::firsts`].
    first: Option<Turn>,
}

impl Lanes {
    fn has_room(&self) -> bool {
        self.most.is_none_or(|most| self.active < most)
    }
}

impl Pool {
    fn fits(&self, slots: u32) -> bool {
        self.slots
            .is_none_or(|all| slots <= all.saturating_sub(self.used))
    }
}

impl Queue {
    /// Other limits. A pool that is gone has no limit any more: its waiters know it by its place.
    pub(super) fn limit(&mut self, most: Option<u32>, pools: &BTreeMap<PoolId, u32>) {
        self.most = most.map(|most| most.max(1));
        for (name, at) in &self.names {
            self.pools[*at].slots = pools.get(name).copied();
        }
        for (name, slots) in pools {
            if !self.names.contains_key(name) {
                self.names.insert(name.clone(), self.pools.len());
                self.pools.push(Pool {
                    slots: Some(*slots),
                    ..Pool::default()
                });
            }
        }
    }

    pub(super) fn new(most: Option<u32>, pools: &BTreeMap<PoolId, u32>) -> Self {
        let mut queue = Self {
            active: 0,
            // A limit of 0 would keep every run for ever, and a run must end.
            most: most.map(|most| most.max(1)),
            pools: vec![Pool::default(), Pool::default()],
            names: BTreeMap::new(),
            runs: BTreeMap::new(),
            heads: BTreeMap::new(),
            turns: 0,
        };
        for (name, slots) in pools {
            queue.names.insert(name.clone(), queue.pools.len());
            queue.pools.push(Pool {
                slots: Some(*slots),
                ..Pool::default()
            });
        }
        queue
    }

    pub(super) fn add_run(&mut self, run: RunKey, most: Option<u32>) {
        let lanes = Lanes {
            active: 0,
            most: most.map(|most| most.max(1)),
            by_pool: BTreeMap::new(),
        };
        self.runs.insert(run, lanes);
    }

    pub(super) fn remove_run(&mut self, run: RunKey) {
        let Some(lanes) = self.runs.get_mut(&run) else {
            return;
        };
        for lane in lanes.by_pool.values_mut() {
            lane.waiting.clear();
        }
        self.refresh_run(run);
        self.runs.remove(&run);
    }

    /// What a task takes, or the slots of its pool when that is more than the pool has at all.
    pub(super) fn claim(&self, task: &Task) -> Result<Claim, u32> {
        if task.waits {
            return Ok(Claim {
                pool: WAITS,
                slots: 0,
            });
        }
        let pool = task.pool.as_ref();
        let unlimited = Claim { pool: 0, slots: 0 };
        let Some((name, slots)) = pool else {
            return Ok(unlimited);
        };
        let Some(&pool) = self.names.get(name) else {
            return Ok(unlimited);
        };
        match self.pools[pool].slots {
            Some(all) if *slots > all => Err(all),
            _ => Ok(Claim {
                pool,
                slots: *slots,
            }),
        }
    }

    /// The turn of what becomes ready now.
    pub(super) fn turn(&mut self, priority: i64) -> Turn {
        self.turns += 1;
        Turn {
            priority: Reverse(priority),
            number: self.turns,
        }
    }

    pub(super) fn push(&mut self, run: RunKey, turn: Turn, claim: Claim, id: TaskRunId) {
        let Some(lanes) = self.runs.get_mut(&run) else {
            return;
        };
        let lane = lanes.by_pool.entry(claim.pool).or_default();
        lane.waiting.insert(turn, (id, claim.slots));
        self.refresh_lane(run, claim.pool);
    }

    /// Takes something out that will not start; nothing happens if it isn't there.
    pub(super) fn remove(&mut self, run: RunKey, turn: Turn, claim: Claim) {
        let lane = self
            .runs
            .get_mut(&run)
            .and_then(|lanes| lanes.by_pool.get_mut(&claim.pool));
        if lane.is_some_and(|lane| lane.waiting.remove(&turn).is_some()) {
            self.refresh_lane(run, claim.pool);
        }
    }

    /// The next one that has room, with its room taken.
    pub(super) fn pop(&mut self) -> Option<(RunKey, TaskRunId)> {
        if self.most.is_some_and(|most| self.active >= most) {
            return None;
        }
        let (&turn, &pool) = self.heads.first_key_value()?;
        let &(run, slots) = self.pools[pool].firsts.get(&turn)?;
        let lane = self.runs.get_mut(&run)?.by_pool.get_mut(&pool)?;
        let (id, _) = lane.waiting.remove(&turn)?;
        self.take(run, Claim { pool, slots });
        self.refresh_lane(run, pool);
        Some((run, id))
    }

    /// Counts an attempt as running, whether there is room or not.
    pub(super) fn take(&mut self, run: RunKey, claim: Claim) {
        if claim.pool == WAITS {
            return;
        }
        self.active += 1;
        self.pools[claim.pool].used += claim.slots;
        let Some(lanes) = self.runs.get_mut(&run) else {
            return;
        };
        lanes.active += 1;
        if lanes.most == Some(lanes.active) {
            self.refresh_run(run);
        } else {
            self.refresh_pool(claim.pool);
        }
    }

    /// Gives back what [`Queue::pop`] or [`Queue::take`] took.
    pub(super) fn release(&mut self, run: RunKey, claim: Claim) {
        if claim.pool == WAITS {
            return;
        }
        self.active = self.active.saturating_sub(1);
        let pool = &mut self.pools[claim.pool];
        pool.used = pool.used.saturating_sub(claim.slots);
        let Some(lanes) = self.runs.get_mut(&run) else {
            return;
        };
        let was_full = !lanes.has_room();
        lanes.active = lanes.active.saturating_sub(1);
        if was_full {
            self.refresh_run(run);
        }
        self.refresh_pool(claim.pool);
    }

    /// Why something of `run` that wants `claim` isn't started.
    pub(super) fn obstacle(&self, run: RunKey, claim: Claim) -> Obstacle {
        if let Some(lanes) = self.runs.get(&run)
            && let Some(most) = lanes.most
            && !lanes.has_room()
        {
            return Obstacle::Run(most);
        }
        let pool = &self.pools[claim.pool];
        match (pool.slots, pool.head) {
            (Some(slots), None) => Obstacle::Pool {
                slots,
                used: pool.used,
            },
            _ => Obstacle::All(self.most.unwrap_or(self.active)),
        }
    }

    fn refresh_run(&mut self, run: RunKey) {
        let pools: Vec<usize> = match self.runs.get(&run) {
            Some(lanes) => lanes.by_pool.keys().copied().collect(),
            None => return,
        };
        for pool in pools {
            self.refresh_lane(run, pool);
        }
    }

    fn refresh_lane(&mut self, run: RunKey, pool: usize) {
        let Some(lanes) = self.runs.get_mut(&run) else {
            return;
        };
        let room = lanes.has_room();
        let Some(lane) = lanes.by_pool.get_mut(&pool) else {
            return;
        };
        let first = match lane.waiting.first_key_value() {
            Some((turn, (_, slots))) if room => Some((*turn, *slots)),
            _ => None,
        };
        let turn = first.map(|(turn, _)| turn);
        if lane.first != turn {
            let firsts = &mut self.pools[pool].firsts;
            if let Some(old) = lane.first {
                firsts.remove(&old);
            }
            if let Some((turn, slots)) = first {
                firsts.insert(turn, (run, slots));
            }
            lane.first = turn;
        }
        self.refresh_pool(pool);
    }

    fn refresh_pool(&mut self, index: usize) {
        let pool = &mut self.pools[index];
        let head = match pool.firsts.first_key_value() {
            Some((turn, (_, slots))) if pool.fits(*slots) => Some(*turn),
            _ => None,
        };
        if pool.head == head {
            return;
        }
        if let Some(old) = pool.head {
            self.heads.remove(&old);
        }
        if let Some(new) = head {
            self.heads.insert(new, index);
        }
        pool.head = head;
    }
}

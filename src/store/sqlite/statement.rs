//! The SQL of the run state. Lists go in as one JSON text each, because a statement costs a round
//! trip to SQLite's thread however many rows it is about.
//!
//! Parameters are `$1`, never `?1`: of a text with several statements sqlx binds `?` by position,
//! also where a number is left out.

/// Takes the write lock, waiting for other processes.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// Fails when one of the runs isn't there or isn't the owner's. `$1`: `[[run, owner]]`.
pub(super) const CHECK_OWNERS: &str = "
INSERT INTO refusal (reason)
SELECT 'owner'
FROM jsonb_each($1) AS asked LEFT JOIN run ON run.id = asked.value ->> 0
WHERE run.owner IS NOT asked.value ->> 1
LIMIT 1;";

/// `$2`: `[[run, state, started, finished]]`.
pub(super) const CHANGE_RUNS: &str = "
UPDATE run
SET state = new.state, started = coalesce(run.started, new.started), finished = new.finished
FROM (
  SELECT value ->> 0 AS id, value ->> 1 AS state, value ->> 2 AS started, value ->> 3 AS finished
  FROM jsonb_each($2)
) AS new
WHERE run.id = new.id;";

/// Forgets what a `foreach` was before. `$3`: `[[run, task]]`.
pub(super) const CLEAR_ITEMS: &str = "
DELETE FROM task_run
WHERE (run, task) IN (SELECT value ->> 0, value ->> 1 FROM jsonb_each($3)) AND item >= 0;
DELETE FROM item
WHERE (run, task) IN (SELECT value ->> 0, value ->> 1 FROM jsonb_each($3));";

/// `$4`: `[[run, task, item, generation, value]]`.
pub(super) const ADD_ITEMS: &str = "
INSERT INTO item (run, task, item, generation, value)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
FROM jsonb_each($4);";

/// `$5`: `[[run, task, item, generation, attempts, spent, losses, fence, state, detail, started]]`.
pub(super) const CHANGE_TASKS: &str = "
INSERT INTO task_run
  (run, task, item, generation, attempts, spent, losses, fence, state, detail, started)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8, value ->> 9, value ->> 10
FROM jsonb_each($5)
WHERE true
ON CONFLICT (run, task, item) DO UPDATE SET
  started = CASE WHEN generation = excluded.generation
    THEN coalesce(started, excluded.started) ELSE excluded.started END,
  generation = excluded.generation, attempts = excluded.attempts, spent = excluded.spent,
  losses = excluded.losses, fence = excluded.fence, state = excluded.state,
  detail = excluded.detail;";

/// `$6`: `[[run, task, item, generation, number, started, finished, outcome, detail, outputs,
/// dataset, metrics]]`.
pub(super) const ADD_ATTEMPTS: &str = "
INSERT INTO attempt (run, task, item, generation, number, started, finished, outcome, detail,
  outputs, dataset, metrics)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
FROM jsonb_each($6)
WHERE true
ON CONFLICT (run, task, item, generation, number) DO NOTHING;";

/// `$7`: one array for each run, in the order of the columns. All tasks wait, so none has a row.
pub(super) const ADD_RUNS: &str = "
INSERT INTO run (id, dag, version, state, owner, params, interval_start, interval_end,
  logical_time, trigger_kind, trigger_source, seed, priority, only_tasks, created)
SELECT value ->> 0, value ->> 1, value ->> 2, 'queued', value ->> 3, value ->> 4, value ->> 5,
  value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
  value ->> 13
FROM jsonb_each($7);";

/// Which statements a change needs. A statement that would do nothing is left out: for a single
/// transition that is what counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) new_runs: bool,
    pub(super) owners: bool,
    pub(super) runs: bool,
    pub(super) expansions: bool,
    pub(super) tasks: bool,
    pub(super) attempts: bool,
}

impl Parts {
    /// How many combinations there are.
    pub(super) const COUNT: usize = 64;

    pub(super) fn index(self) -> usize {
        usize::from(self.new_runs)
            | usize::from(self.owners) << 1
            | usize::from(self.runs) << 2
            | usize::from(self.expansions) << 3
            | usize::from(self.tasks) << 4
            | usize::from(self.attempts) << 5
    }

    pub(super) fn texts(self) -> impl Iterator<Item = &'static str> {
        [
            (self.new_runs, ADD_RUNS),
            (self.owners, CHECK_OWNERS),
            (self.expansions, CLEAR_ITEMS),
            (self.expansions, ADD_ITEMS),
            (self.tasks, CHANGE_TASKS),
            (self.attempts, ADD_ATTEMPTS),
            (self.runs, CHANGE_RUNS),
        ]
        .into_iter()
        .filter_map(|(wanted, text)| wanted.then_some(text))
    }

    /// The change as a transaction of its own, in one text: one round trip.
    pub(super) fn transaction(self) -> String {
        let body: String = self.texts().collect();
        format!("{BEGIN};{body}\n{COMMIT}")
    }

    /// The change within a transaction, undone alone when it is refused.
    pub(super) fn savepoint(self) -> String {
        let body: String = self.texts().collect();
        format!("SAVEPOINT change;{body}\nRELEASE change")
    }
}

/// Undoes a refused [`Parts::savepoint`].
pub(super) const UNDO: &str = "ROLLBACK TO change; RELEASE change";

/// Why [`CHECK_OWNERS`] failed: the first run that isn't there (owner NULL) or isn't the owner's.
pub(super) const WRONG_OWNER: &str = "
SELECT asked.value ->> 0, run.owner
FROM jsonb_each($1) AS asked LEFT JOIN run ON run.id = asked.value ->> 0
WHERE run.owner IS NOT asked.value ->> 1
ORDER BY asked.key LIMIT 1";

/// The first run with a task run that is newer than asked. `$3` and `$5` as above.
pub(super) const FENCED: &str = "
SELECT asked.value ->> 0
FROM jsonb_each($5) AS asked
  JOIN task_run AS known ON known.run = asked.value ->> 0 AND known.task = asked.value ->> 1
    AND known.item = asked.value ->> 2
WHERE (asked.value ->> 3, asked.value ->> 7) < (known.generation, known.fence)
  AND (known.item < 0
    OR (known.run, known.task) NOT IN (SELECT value ->> 0, value ->> 1 FROM jsonb_each($3)))
ORDER BY asked.key LIMIT 1";

/// The versions that aren't there. `$1`: `[hash]`.
pub(super) const UNKNOWN_VERSION: &str = "
SELECT asked.value
FROM json_each($1) AS asked LEFT JOIN version ON version.hash = asked.value
WHERE version.hash IS NULL
ORDER BY asked.key LIMIT 1";

pub(super) const VERSION: &str = "SELECT hash, dag, tasks, files FROM version WHERE hash = $1";

pub(super) const ADD_COMMAND: &str = "
INSERT INTO command (run, kind, at) SELECT id, $2, $3 FROM run WHERE id = $1
ON CONFLICT (run, at, kind) DO NOTHING";

pub(super) const HAS_RUN: &str = "SELECT 1 FROM run WHERE id = $1";

/// Most of the time there is none in the whole queue.
pub(super) const COMMANDS: &str = "
SELECT command.run, command.kind, command.at
FROM command CROSS JOIN run ON run.id = command.run
WHERE run.owner = $1
ORDER BY command.number";

pub(super) const FORGET_COMMAND: &str = "
DELETE FROM command WHERE run = $2 AND kind = $3 AND at = $4
AND (SELECT owner FROM run WHERE id = command.run) = $1";

pub(super) const ADOPT_UNFINISHED: &str = "
UPDATE run SET owner = $2 WHERE owner = $1 AND finished IS NULL RETURNING id";

pub(super) const ADOPT_ONE: &str = "
UPDATE run SET owner = $2 WHERE id = $3 AND owner = $1 RETURNING id";

pub(super) const OWNERS: &str =
    "SELECT owner, id, dag FROM run WHERE finished IS NULL ORDER BY owner, id";

/// What [`super::row::run`] reads.
macro_rules! run_columns {
    () => {
        "id, dag, version, state, owner, params, interval_start, interval_end, logical_time, \
         trigger_kind, trigger_source, seed, priority, only_tasks, created, started, finished"
    };
}

/// `$1`: `[id]`.
pub(super) const RUNS_BY_ID: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM run WHERE id IN (SELECT value FROM json_each($1))"
);

/// How the last run of a DAG that began by itself has ended. `$1`: `[dag]`.
pub(super) const LAST_ENDS: &str = "
SELECT asked.value, (
  SELECT state FROM run
  WHERE dag = asked.value AND finished IS NOT NULL
    AND trigger_kind IN ('schedule', 'after', 'event')
  ORDER BY id DESC LIMIT 1)
FROM json_each($1) AS asked";

/// `$1`: the owner, `$2`: the first id.
pub(super) const BEGUN_ELSEWHERE: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM run WHERE id >= $2 AND owner <> $1 ORDER BY id"
);

/// `$1`: `[[dag, time]]`, `$2`: most of each.
pub(super) const ENDED_SINCE: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM run WHERE id IN (
  SELECT ended.id
  FROM json_each($1) AS asked CROSS JOIN run AS ended ON ended.id IN (
    SELECT id FROM run
    WHERE dag = asked.value ->> 0 AND finished > asked.value ->> 1
    ORDER BY finished DESC LIMIT $2))
ORDER BY finished, id"
);

/// `$1`: `[dag]`, `$2`: most of each, `$3`: whether only those that have ended.
pub(super) const LATEST_RUNS: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM run WHERE id IN (
  SELECT latest.id
  FROM json_each($1) AS asked CROSS JOIN run AS latest ON latest.id IN (
    SELECT id FROM run
    WHERE dag = asked.value AND (NOT $3 OR finished IS NOT NULL)
    ORDER BY id DESC LIMIT $2))
ORDER BY id DESC"
);

/// `$1`: `[dag]`, `$2`: most of each. Of each run its attempts that succeeded: `task micros,…`.
pub(super) const TASK_TIMES: &str = "
SELECT run.dag, run.version, (
  SELECT group_concat(task || ' ' || max(finished - started, 0))
  FROM attempt WHERE attempt.run = run.id AND outcome = 'success')
FROM json_each($1) AS asked CROSS JOIN run ON run.id IN (
  SELECT id FROM run
  WHERE dag = asked.value AND state = 'success'
  ORDER BY id DESC LIMIT $2)
ORDER BY run.id DESC";

/// A run, its task runs and its items in one row: one moment, one round trip.
pub(super) const LOAD: &str = concat!(
    "SELECT ",
    run_columns!(),
    ",
  (SELECT json_group_array(json_array(task, item, generation, attempts, spent, losses, fence,
      state, detail))
    FROM task_run WHERE task_run.run = run.id),
  (SELECT json_group_array(json_array(item.task, item.item, item.value))
    FROM item JOIN task_run AS own ON own.run = item.run AND own.task = item.task
      AND own.item = -1 AND own.generation = item.generation
    WHERE item.run = run.id)
FROM run WHERE id = $1"
);

/// The ids are read from their index, which is as little as a search for a part can read.
pub(super) const FIND_RUNS: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM run WHERE id IN
  (SELECT id FROM run WHERE instr(id, $1) > 0 ORDER BY id DESC LIMIT $2)
ORDER BY id DESC"
);

/// `$1`: DAG, `$2`: only ids below, `$3`: most rows (negative: all), `$4`: only ids from this one on.
pub(super) fn list_runs(dag: bool, below: bool, from: bool, states: &[&str]) -> String {
    let arm = |state: Option<&&str>| {
        let mut conditions = Vec::new();
        if dag {
            conditions.push("dag = $1".to_owned());
        }
        if let Some(state) = state {
            conditions.push(format!("state = '{state}'"));
        }
        if below {
            conditions.push("id < $2".to_owned());
        }
        if from {
            conditions.push("id >= $4".to_owned());
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        // Of two bounds for the id SQLite thinks more than of the DAG, and would read those of all.
        let index = if dag && state.is_some() {
            " INDEXED BY run_of_dag_in_state"
        } else {
            ""
        };
        format!(
            concat!("SELECT ", run_columns!(), " FROM run{}{}"),
            index, filter
        )
    };
    // Each arm comes in order from its index, and SQLite merges them until there are enough.
    let arms = if states.is_empty() {
        arm(None)
    } else {
        let arms: Vec<String> = states.iter().map(|state| arm(Some(state))).collect();
        arms.join(" UNION ALL ")
    };
    format!("{arms} ORDER BY id DESC LIMIT $3")
}

/// What [`super::row::result`] reads.
macro_rules! result_columns {
    () => {
        "attempt.outcome, attempt.detail, attempt.outputs, attempt.dataset, attempt.metrics"
    };
}

/// The last attempt that ended of `task_run`'s generation.
macro_rules! last_attempt {
    () => {
        "attempt.run = task_run.run AND attempt.task = task_run.task
    AND attempt.item = task_run.item AND attempt.generation = task_run.generation
    AND attempt.number = (
      SELECT max(number) FROM attempt AS other
      WHERE other.run = task_run.run AND other.task = task_run.task
        AND other.item = task_run.item AND other.generation = task_run.generation)"
    };
}

pub(super) const TASK_RUNS: &str = concat!(
    "SELECT ",
    result_columns!(),
    ", task_run.task, task_run.item, task_run.generation, task_run.attempts, task_run.spent,
  task_run.losses, task_run.fence, task_run.state, task_run.detail, task_run.started
FROM task_run LEFT JOIN attempt ON ",
    last_attempt!(),
    "
WHERE task_run.run = $1
ORDER BY task_run.task, task_run.item"
);

/// Of finished task runs: their states are the words of outcomes.
pub(super) const RESULTS: &str = concat!(
    "SELECT ",
    result_columns!(),
    ", task_run.item, task_run.generation, own.generation
FROM task_run JOIN attempt ON ",
    last_attempt!(),
    "
  LEFT JOIN task_run AS own ON own.run = task_run.run AND own.task = task_run.task
    AND own.item = -1
WHERE task_run.run = $1 AND task_run.task = $2
  AND task_run.state IN ('success', 'failed', 'skipped', 'upstream_failed', 'cancelled')
ORDER BY task_run.item"
);

/// `$2`: the task, or NULL for all.
pub(super) const ATTEMPTS: &str = concat!(
    "SELECT ",
    result_columns!(),
    ", task, item, generation, number, started, finished
FROM attempt WHERE run = $1
ORDER BY finished, task, item, generation, number"
);

pub(super) const ATTEMPTS_OF_TASK: &str = concat!(
    "SELECT ",
    result_columns!(),
    ", task, item, generation, number, started, finished
FROM attempt WHERE run = $1 AND task = $2
ORDER BY finished, task, item, generation, number"
);

pub(super) const ITEMS: &str = "
SELECT item.value
FROM item JOIN task_run AS own ON own.run = item.run AND own.task = item.task
  AND own.item = -1 AND own.generation = item.generation
WHERE item.run = $1 AND item.task = $2
ORDER BY item.item";

pub(super) const SET_PAUSED: &str = "
INSERT INTO schedule (dag, paused) VALUES ($1, $2)
ON CONFLICT (dag) DO UPDATE SET paused = excluded.paused";

pub(super) const SCHEDULES: &str = "SELECT dag, paused, memory FROM schedule ORDER BY dag";

/// `$1`: NULL; `$2`: most rows, -1 for all.
pub(super) const SKIPPED: &str = "
SELECT dag, first, last, count, reason FROM skipped
WHERE $1 IS NULL
ORDER BY last DESC, dag DESC
LIMIT $2";

/// `$1`: the DAG; `$2`: most rows, -1 for all.
pub(super) const SKIPPED_OF_DAG: &str = "
SELECT dag, first, last, count, reason FROM skipped
WHERE dag = $1
ORDER BY last DESC
LIMIT $2";

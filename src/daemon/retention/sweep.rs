//! One look at everything that is past.
//!
//! The rows of a run go first, in one transaction, then its folders: a folder without a run is
//! always something that is left over, and goes with the next look, whoever was killed when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::folders::{self, Left, Names};
use super::limits;
use super::swept::Swept;
use crate::model::{DagId, RunId, RunState, Timestamp};
use crate::spec::{Keep, Project};
use crate::store::{Past, RunFilter, RunRow, RunStore, StoreError};

/// Runs that are removed in one transaction: what others wait for at most.
const RUNS: u32 = 20;
/// Folders that are looked at together.
const FOLDERS: usize = 500;
/// Removed runs that databases are asked to forget at a time.
const FORGOTTEN: u32 = 1000;
/// While there is other work, a step is made only so often.
const SLOW: Duration = Duration::from_secs(1);

/// A look at everything that is past.
pub struct Sweep {
    pub project: Arc<Project>,
    pub store: Arc<dyn RunStore>,
    pub now: Timestamp,
    /// Only says what would be removed.
    pub dry: bool,
    /// Whether nothing else is going on; `None`: nobody is to be waited for.
    pub quiet: Option<watch::Receiver<bool>>,
}

/// What is found on the way.
#[derive(Default)]
struct Found {
    swept: Swept,
    /// Runs that are removed, in a dry look.
    gone: BTreeSet<RunId>,
    /// Of each DAG the last run that succeeded.
    successes: BTreeMap<DagId, Option<RunId>>,
    /// The oldest of a DAG's newest so many runs.
    kept: BTreeMap<(DagId, u32), Option<RunId>>,
}

/// A folder that may be removed for its size: oldest first.
struct Sized {
    run: RunId,
    dag: DagId,
    bytes: u64,
    /// It has to stay.
    fixed: bool,
}

impl Sweep {
    /// Removes what has been kept long enough.
    ///
    /// # Errors
    /// The run state can't be read or written.
    pub async fn run(mut self) -> Result<Swept, StoreError> {
        let mut found = Found::default();
        for dag in self.store.dags().await? {
            self.runs_of(&dag, &mut found).await?;
        }
        if !self.dry {
            for dag in self.project.clone().pipelines.keys() {
                self.skipped_of(dag, &mut found.swept).await?;
            }
        }
        for left in Left::ALL {
            self.folders(left, &mut found).await?;
        }
        if !self.dry {
            self.loads(&mut found.swept).await?;
        }
        Ok(found.swept)
    }

    /// Lets others go first.
    async fn step(&mut self) {
        if let Some(quiet) = &mut self.quiet {
            // When nobody says any more that it is quiet, nobody is there to be waited for.
            let _ = tokio::time::timeout(SLOW, quiet.wait_for(|quiet| *quiet)).await;
        }
        tokio::task::yield_now().await;
    }

    async fn runs_of(&mut self, dag: &DagId, found: &mut Found) -> Result<(), StoreError> {
        let keep = limits::of_dag(&self.project, dag).runs;
        if keep == Keep::default() {
            return Ok(());
        }
        let mut past = Past {
            dag: dag.clone(),
            ended_before: limits::oldest(keep, self.now),
            beyond: keep.count,
            after: None,
            limit: RUNS,
        };
        loop {
            self.step().await;
            let runs = self.store.past_runs(&past).await?;
            let Some(last) = runs.last() else {
                return Ok(());
            };
            past.after = Some(last.clone());
            let gone = if self.dry {
                runs
            } else {
                self.store.remove_runs(&runs).await?
            };
            for run in gone {
                let mut bytes = 0;
                for left in Left::ALL {
                    bytes += self.remove(left, &run, &mut found.swept).await;
                }
                found.swept.runs.add(bytes);
                if self.dry {
                    found.gone.insert(run);
                }
            }
        }
    }

    /// What is kept of runs is kept of ticks that had none.
    async fn skipped_of(&mut self, dag: &DagId, swept: &mut Swept) -> Result<(), StoreError> {
        let keep = limits::of_dag(&self.project, dag).runs;
        let past = Past {
            dag: dag.clone(),
            ended_before: limits::oldest(keep, self.now),
            beyond: keep.count,
            after: None,
            limit: 0,
        };
        while keep != Keep::default() {
            self.step().await;
            match self.store.forget_skipped(&past).await? {
                0 => break,
                count => swept.skipped += count,
            }
        }
        Ok(())
    }

    /// Removes a run's folder, or only says how large it is.
    async fn remove(&self, left: Left, run: &RunId, swept: &mut Swept) -> u64 {
        let folder = left.folder(&self.project.places.state).join(run.as_str());
        let dry = self.dry;
        let done = tokio::task::spawn_blocking(move || {
            let bytes = folders::size(&folder);
            let removed = if dry {
                Ok(())
            } else {
                folders::remove(&folder)
            };
            (
                bytes,
                removed.map_err(|error| format!("{}: {error}", folder.display())),
            )
        });
        match done.await {
            Ok((bytes, Ok(()))) => bytes,
            Ok((_, Err(trouble))) => {
                swept.troubles.push(trouble);
                0
            }
            Err(error) => {
                swept.troubles.push(error.to_string());
                0
            }
        }
    }

    async fn folders(&mut self, left: Left, found: &mut Found) -> Result<(), StoreError> {
        let folder = left.folder(&self.project.places.state);
        let mut names = match Names::open(&folder) {
            Ok(names) => names,
            Err(error) => {
                let trouble = format!("{}: {error}", folder.display());
                found.swept.troubles.push(trouble);
                return Ok(());
            }
        };
        let is_sized = self.is_sized(left);
        let mut sizes = Vec::new();
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let runs = names.next(FOLDERS);
                (names, runs)
            });
            let Ok((back, runs)) = read.await else {
                return Ok(());
            };
            names = back;
            if runs.is_empty() {
                break;
            }
            self.step().await;
            // Rows come before folders: a folder that was seen and has no row is left over.
            let rows = self.store.runs_by_id(&runs).await?;
            let rows: BTreeMap<&RunId, &RunRow> = rows.iter().map(|row| (&row.id, row)).collect();
            for run in runs {
                if found.gone.contains(&run) {
                    continue;
                }
                let Some(row) = rows.get(&run) else {
                    let bytes = self.remove(left, &run, &mut found.swept).await;
                    found.swept.left_over.add(bytes);
                    continue;
                };
                if self.is_past(left, row, found).await? {
                    let bytes = self.remove(left, &run, &mut found.swept).await;
                    found.swept.of(left).add(bytes);
                } else if is_sized {
                    let path = folder.join(run.as_str());
                    let fixed = self.stays(row, found).await?;
                    sizes.push(Sized {
                        bytes: size_of(path).await,
                        dag: row.dag.clone(),
                        run,
                        fixed,
                    });
                }
            }
        }
        self.shrink(left, sizes, found).await;
        Ok(())
    }

    fn keep(&self, left: Left, dag: &DagId) -> Keep {
        let retention = limits::of_dag(&self.project, dag);
        match left {
            Left::Logs => retention.logs,
            Left::Data => retention.data,
        }
    }

    /// Most bytes over all DAGs.
    fn quota(&self, left: Left) -> Option<u64> {
        let all = self.project.settings.retention;
        match left {
            Left::Logs => all.logs.size,
            Left::Data => all.data.size,
        }
    }

    fn is_sized(&self, left: Left) -> bool {
        let mut dags = self.project.pipelines.keys();
        self.quota(left).is_some() || dags.any(|dag| self.keep(left, dag).size.is_some())
    }

    /// Whether a run and all of its is kept, whatever is limited.
    async fn stays(&self, row: &RunRow, found: &mut Found) -> Result<bool, StoreError> {
        if row.finished.is_none() {
            return Ok(true);
        }
        if !found.successes.contains_key(&row.dag) {
            let filter = RunFilter {
                dag: Some(row.dag.clone()),
                states: vec![RunState::Success],
                limit: 1,
                ..RunFilter::default()
            };
            let last = self.store.runs(&filter).await?;
            let last = last.into_iter().next().map(|row| row.id);
            found.successes.insert(row.dag.clone(), last);
        }
        Ok(found.successes[&row.dag].as_ref() == Some(&row.id))
    }

    async fn is_past(
        &self,
        left: Left,
        row: &RunRow,
        found: &mut Found,
    ) -> Result<bool, StoreError> {
        let keep = self.keep(left, &row.dag);
        if (keep.age, keep.count) == (None, None) || self.stays(row, found).await? {
            return Ok(false);
        }
        let oldest = limits::oldest(keep, self.now);
        if matches!((row.finished, oldest), (Some(finished), Some(oldest)) if finished < oldest) {
            return Ok(true);
        }
        let Some(count) = keep.count else {
            return Ok(false);
        };
        let key = (row.dag.clone(), count);
        if !found.kept.contains_key(&key) {
            let filter = RunFilter {
                dag: Some(row.dag.clone()),
                limit: count,
                ..RunFilter::default()
            };
            let newest = self.store.runs(&filter).await?;
            let full = newest.len() == count as usize;
            let oldest = newest.into_iter().next_back().map(|row| row.id);
            found.kept.insert(key.clone(), oldest.filter(|_| full));
        }
        Ok(found.kept[&key].as_ref().is_some_and(|kept| row.id < *kept))
    }

    /// Removes the oldest until what is left is no more than allowed, of each DAG and in all.
    async fn shrink(&mut self, left: Left, mut sizes: Vec<Sized>, found: &mut Found) {
        sizes.sort_by(|a, b| a.run.cmp(&b.run));
        let mut all: u64 = sizes.iter().map(|sized| sized.bytes).sum();
        let mut of_dag: BTreeMap<DagId, u64> = BTreeMap::new();
        for sized in &sizes {
            *of_dag.entry(sized.dag.clone()).or_default() += sized.bytes;
        }
        let quota = self.quota(left).unwrap_or(u64::MAX);
        for sized in sizes {
            let own = self.keep(left, &sized.dag).size.unwrap_or(u64::MAX);
            let used = of_dag.entry(sized.dag.clone()).or_default();
            if sized.fixed || sized.bytes == 0 || (all <= quota && *used <= own) {
                continue;
            }
            all -= sized.bytes;
            *used -= sized.bytes;
            self.step().await;
            let bytes = self.remove(left, &sized.run, &mut found.swept).await;
            found.swept.of(left).add(bytes);
        }
    }

    /// Lets the databases that are loaded into forget the runs that are gone. One that can't be
    /// reached now is asked again the next time.
    async fn loads(&mut self, swept: &mut Swept) -> Result<(), StoreError> {
        loop {
            let runs = self.store.removed_runs(FORGOTTEN).await?;
            if runs.is_empty() {
                return Ok(());
            }
            let names: Vec<String> = runs.iter().map(ToString::to_string).collect();
            for (name, connection) in self.project.settings.connections.clone().iter() {
                let Some(database) = connection.as_database() else {
                    continue;
                };
                self.step().await;
                match database.forget_loads(&names).await {
                    Ok(count) => swept.loads += count,
                    Err(error) => {
                        swept.troubles.push(format!(
                            "connection `{name}` keeps the loads of {} runs that are gone until the \
                             next time: {error}",
                            names.len()
                        ));
                        return Ok(());
                    }
                }
            }
            self.store.forget_removed(&runs).await?;
        }
    }
}

async fn size_of(folder: PathBuf) -> u64 {
    let size = tokio::task::spawn_blocking(move || folders::size(&folder));
    size.await.unwrap_or_default()
}

//! How long tasks take: as it is told, as it was, or a guess.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::{Mistake, unknown};
use crate::document::units::parse_duration;
use crate::engine::simulation::{Becomes, Part};
use crate::model::DagId;
use crate::spec::{Ending, Foreach, Pipeline};
use crate::store::{RunStore, StoreError};
use crate::template::TemplateValue;

/// What nobody knows takes so long.
pub const GUESS: Duration = Duration::from_secs(10);
/// So many runs make the history of a DAG: a week of what runs daily.
const RUNS: u32 = 7;

/// What is known of durations.
#[derive(Debug, Default)]
pub struct Durations {
    all: Option<Duration>,
    /// By task, and by `dag.task`.
    told: BTreeMap<String, Duration>,
    history: BTreeMap<(DagId, String), Past>,
    guessed: BTreeSet<String>,
}

/// How a task went in the latest runs.
#[derive(Debug, Default)]
struct Course {
    took: Vec<Duration>,
    items: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Past {
    takes: Duration,
    items: u32,
}

impl Durations {
    /// Reads what is told: `5m`, `load=30s`, `report.load=1h`.
    ///
    /// # Errors
    /// No duration; an unknown task.
    pub fn read(told: &[String], pipelines: &[Arc<Pipeline>]) -> Result<Self, Mistake> {
        let mut durations = Self::default();
        for text in told {
            let (name, duration) = match text.split_once('=') {
                Some((name, duration)) => (Some(name.trim()), duration),
                None => (None, text.as_str()),
            };
            let takes = parse_duration(duration.trim()).map_err(|reason| {
                Mistake::new(reason).help("such as `5m`, `load=30s` or `report.load=1h`")
            })?;
            let Some(name) = name else {
                durations.all = Some(takes);
                continue;
            };
            let names = pipelines.iter().flat_map(|pipeline| {
                let tasks = pipeline.tasks.iter();
                tasks.flat_map(|task| [task.id.to_string(), format!("{}.{}", pipeline.id, task.id)])
            });
            let known: BTreeSet<String> = names.collect();
            if !known.contains(name) {
                return Err(unknown("task", name, known.iter().map(String::as_str)));
            }
            durations.told.insert(name.to_owned(), takes);
        }
        Ok(durations)
    }

    /// Learns from the last runs that succeeded: the median of each task, and of its items' number.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn remember(
        &mut self,
        store: &dyn RunStore,
        pipelines: &[Arc<Pipeline>],
    ) -> Result<(), StoreError> {
        if self.all.is_some() && self.told.is_empty() {
            return Ok(());
        }
        let dags: Vec<DagId> = pipelines.iter().map(|one| one.id.clone()).collect();
        // Most runs have the version that the files have now.
        let mut versions: BTreeMap<String, Vec<String>> = pipelines
            .iter()
            .map(|one| (one.version.hash.clone(), one.version.tasks.clone()))
            .collect();
        let mut took: BTreeMap<DagId, BTreeMap<String, Course>> = BTreeMap::new();
        for run in store.task_times(&dags, RUNS).await? {
            if !versions.contains_key(&run.version) {
                let version = store.version(&run.version).await?;
                let names = version.map(|version| version.tasks).unwrap_or_default();
                versions.insert(run.version.clone(), names);
            }
            let names = &versions[&run.version];
            let tasks = took.entry(run.dag).or_default();
            for of_task in run.attempts.chunk_by(|one, other| one.0 == other.0) {
                let Some(name) = names.get(of_task[0].0.get()) else {
                    continue;
                };
                let course = tasks.entry(name.clone()).or_default();
                course.took.extend(of_task.iter().map(|(_, took)| *took));
                let items = u32::try_from(of_task.len()).unwrap_or(u32::MAX);
                course.items.push(items);
            }
        }
        for (dag, tasks) in took {
            for (name, mut course) in tasks {
                let past = Past {
                    takes: median(&mut course.took).unwrap_or_default(),
                    items: median(&mut course.items).unwrap_or(1),
                };
                self.history.insert((dag.clone(), name), past);
            }
        }
        Ok(())
    }

    /// What each task of a pipeline does, by index.
    pub fn parts(&mut self, pipeline: &Pipeline) -> Vec<Part> {
        let tasks = pipeline.tasks.iter();
        tasks
            .map(|task| {
                let name = task.id.as_str();
                let whole = format!("{}.{name}", pipeline.id);
                let past = self.history.get(&(pipeline.id.clone(), name.to_owned()));
                let told = self.told.get(&whole).or_else(|| self.told.get(name));
                let takes = told.copied().or(self.all).or(past.map(|past| past.takes));
                let on_failure = |hook: &crate::spec::Hook| hook.on == Ending::Failure;
                let becomes = if task.hook.as_ref().is_some_and(on_failure) {
                    // Nothing fails here.
                    Becomes::Skip
                } else if task.foreach.is_some() {
                    let written = task.foreach.as_ref().and_then(items_written);
                    let past = past.map(|past| past.items);
                    Becomes::Items(written.or(past).unwrap_or(1))
                } else {
                    Becomes::Run
                };
                let works = task.kind != "empty" && becomes != Becomes::Skip;
                if takes.is_none() && works {
                    self.guessed.insert(whole);
                }
                Part {
                    takes: takes.unwrap_or(if works { GUESS } else { Duration::ZERO }),
                    becomes,
                    writes: task.writes.clone(),
                }
            })
            .collect()
    }

    /// The tasks whose duration nobody knows.
    pub fn guessed(&self) -> Vec<String> {
        self.guessed.iter().cloned().collect()
    }
}

/// How many items stand in the document.
fn items_written(foreach: &Foreach) -> Option<u32> {
    let count = match foreach {
        Foreach::Value(TemplateValue::Literal(Json::Array(items))) => items.len(),
        Foreach::Value(TemplateValue::List(items)) => items.len(),
        _ => return None,
    };
    u32::try_from(count).ok()
}

fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

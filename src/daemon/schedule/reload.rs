//! Edits of the project while the daemon runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::Scheduler;
use super::known::{self, Found, plan_of};
use crate::engine::plan::PlanEvent;
use crate::model::DagId;
use crate::spec::{Loaded, Pipeline, Project, render_text};
use crate::store::{RunStore, StoreError};

impl Scheduler {
    /// Says what is wrong with the project when that is something else than the last time.
    pub(super) fn say_what_is_broken(&mut self, loaded: &Loaded) {
        let text = if loaded.has_errors() {
            render_text(&loaded.diagnostics, &loaded.sources, false)
        } else {
            String::new()
        };
        if text == self.broken {
            return;
        }
        if text.is_empty() {
            tracing::info!("all mistakes are mended");
        } else {
            let text = text.trim_end();
            tracing::error!(
                "what is broken keeps its last good definition, if it has one:\n{text}"
            );
        }
        self.broken = text;
    }

    /// Reads the project anew: what is right takes effect, what is broken keeps its last good
    /// definition.
    pub(super) async fn reload(&mut self) -> Result<Vec<PlanEvent>, StoreError> {
        let read = self.read.clone();
        let Ok(mut loaded) = tokio::task::spawn_blocking(move || read()).await else {
            return Ok(Vec::new());
        };
        self.say_what_is_broken(&loaded);
        let Some(project) = loaded.project.take() else {
            return Ok(Vec::new());
        };
        let named: BTreeSet<&str> = loaded
            .broken
            .iter()
            .filter_map(|(_, dag)| dag.as_deref())
            .collect();
        let paths: BTreeSet<&Path> = loaded
            .broken
            .iter()
            .map(|(path, _)| path.as_path())
            .collect();
        let known: BTreeSet<&Path> = self
            .pipelines
            .values()
            .map(|old| old.path.as_path())
            .collect();
        // A new file that can't even say its name may be any of those that are missing.
        let nameless = loaded
            .broken
            .iter()
            .any(|(path, dag)| dag.is_none() && !known.contains(path.as_path()));
        let mut pipelines: BTreeMap<DagId, Arc<Pipeline>> = project.pipelines.clone();
        let mut events = Vec::new();
        for (dag, old) in &self.pipelines {
            if pipelines.contains_key(dag) {
                continue;
            }
            if nameless || named.contains(dag.as_str()) || paths.contains(old.path.as_path()) {
                pipelines.insert(dag.clone(), old.clone());
            } else {
                tracing::info!(%dag, "is gone");
                events.push(PlanEvent::Gone { dag: dag.clone() });
            }
        }
        let is_new = |dag: &DagId| !self.pipelines.contains_key(dag);
        let mut memories = BTreeMap::new();
        let mut things = BTreeMap::new();
        if pipelines.keys().any(is_new) {
            // It may have been there before.
            let rows = self.host.patiently(u32::MAX, RunStore::schedules);
            for row in rows.await? {
                memories.insert(row.dag, row.memory);
            }
            let found = self.host.patiently(u32::MAX, known::things);
            things = found.await?;
        }
        let mut asked = Vec::new();
        for (dag, pipeline) in &pipelines {
            // What it comes after may be another thing without an edit of its own file.
            let same = |old: &Arc<Pipeline>| plan_of(old) == plan_of(pipeline);
            if self.pipelines.get(dag).is_some_and(same) {
                continue;
            }
            let what = if is_new(dag) { "is new" } else { "has changed" };
            tracing::info!(%dag, "{what}");
            let running = self.host.runs().filter(|spec| spec.dag == *dag);
            let found = Found {
                memory: memories.remove(dag).unwrap_or_default(),
                paused: self.paused.contains(dag),
                running: running.filter_map(|spec| known::active(spec)).collect(),
                things: things.remove(dag).unwrap_or_default(),
            };
            asked.push((pipeline.clone(), found));
        }
        let known = self
            .host
            .patiently(u32::MAX, |store| known::known(store, &pipelines, &asked));
        events.extend(known.await?);
        self.pipelines.clone_from(&pipelines);
        self.host.change_project(Arc::new(Project {
            pipelines,
            ..project
        }));
        Ok(events)
    }
}

//! Edits of the project while the daemon runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Scheduler;
use crate::engine::plan::{DagPlan, Memory, PlanEvent};
use crate::model::DagId;
use crate::spec::{Pipeline, Project, render_text};
use crate::store::StoreError;

/// What the planner sees of a pipeline.
pub(super) fn plan_of(pipeline: &Pipeline) -> DagPlan {
    DagPlan {
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        schedule: pipeline.schedule.clone(),
        max_runs: pipeline.max_runs,
        overlap: pipeline.overlap,
        depends_on_past: pipeline.depends_on_past,
        after: pipeline.after.clone(),
        deadline: pipeline.deadline,
    }
}

impl Scheduler {
    /// Reads the project anew: what is right takes effect, what is broken keeps its last good
    /// definition.
    pub(super) async fn reload(&mut self) -> Result<Vec<PlanEvent>, StoreError> {
        let read = self.read.clone();
        let Ok(mut loaded) = tokio::task::spawn_blocking(move || read()).await else {
            return Ok(Vec::new());
        };
        if loaded.has_errors() {
            let text = render_text(&loaded.diagnostics, &loaded.sources, false);
            tracing::warn!("what is broken keeps its last good definition:\n{text}");
        }
        let Some(project) = loaded.project.take() else {
            return Ok(Vec::new());
        };
        let broken: BTreeSet<&str> = loaded
            .broken
            .iter()
            .filter_map(|(_, dag)| dag.as_deref())
            .collect();
        // A file that can't even say its name may be any of those that are missing.
        let nameless = loaded.broken.iter().any(|(_, dag)| dag.is_none());
        let mut pipelines: BTreeMap<DagId, Arc<Pipeline>> = project.pipelines.clone();
        let mut events = Vec::new();
        for (dag, old) in &self.pipelines {
            if pipelines.contains_key(dag) {
                continue;
            }
            if nameless || broken.contains(dag.as_str()) {
                pipelines.insert(dag.clone(), old.clone());
            } else {
                tracing::info!(%dag, "is gone");
                events.push(PlanEvent::Gone { dag: dag.clone() });
            }
        }
        for (dag, pipeline) in &pipelines {
            // What it comes after may be another thing without an edit of its own file.
            let same = |old: &Arc<Pipeline>| plan_of(old) == plan_of(pipeline);
            if self.pipelines.get(dag).is_some_and(same) {
                continue;
            }
            tracing::info!(%dag, "has a new definition");
            events.push(PlanEvent::Known {
                plan: plan_of(pipeline),
                memory: Memory::default(),
                paused: self.paused.contains(dag),
                running: Vec::new(),
                last: None,
                heard: Vec::new(),
            });
        }
        self.pipelines.clone_from(&pipelines);
        self.host.change_project(Arc::new(Project {
            pipelines,
            ..project
        }));
        Ok(events)
    }
}

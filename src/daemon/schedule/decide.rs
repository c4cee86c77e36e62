//! What the planner decides, as runs and rows.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Scheduler;
use crate::daemon::clock::random;
use crate::engine::Event;
use crate::engine::plan::{Decision, Occurrence, PlanEvent};
use crate::model::{Json as JsonText, RunId, RunSpec, Timestamp, TriggerKind};
use crate::spec::Pipeline;
use crate::store::{Decided, NewRun, SkippedTicks, StoreError};

impl Scheduler {
    /// Makes decisions durable, then acts on them. Events that follow for the planner are kept.
    pub(super) async fn carry_out(&mut self, decisions: Vec<Decision>) -> Result<(), StoreError> {
        let mut decided = Decided::default();
        let mut pipelines: Vec<Arc<Pipeline>> = Vec::new();
        let mut cancelled = Vec::new();
        let now = self.host.now();
        for decision in decisions {
            match decision {
                Decision::Start {
                    dag, occurrence, ..
                } => {
                    let Some(pipeline) = self.pipelines.get(&dag) else {
                        self.found.push(PlanEvent::NotBegun { dag });
                        continue;
                    };
                    match run_spec(pipeline, occurrence, now) {
                        Ok(spec) => {
                            let owner = self.host.owner().clone();
                            decided.runs.push(NewRun { spec, owner });
                            pipelines.push(pipeline.clone());
                        }
                        Err(reason) => {
                            tracing::error!(%dag, %reason, "a run can't begin");
                            self.found.push(PlanEvent::NotBegun { dag });
                        }
                    }
                }
                Decision::Skip {
                    dag,
                    first,
                    last,
                    count,
                    reason,
                } => {
                    tracing::info!(%dag, %first, %last, count, "skipped: {}", reason.words());
                    decided.skipped.push(SkippedTicks {
                        dag,
                        first,
                        last,
                        count,
                        reason,
                    });
                }
                Decision::Cancel { run, .. } => cancelled.push(run),
                Decision::Remember { dag, memory } => decided.memories.push((dag, memory)),
            }
        }
        if decided != Decided::default() {
            self.host.decide(&decided, &pipelines).await?;
        }
        for run in cancelled {
            self.host.happen(Event::CancelRequested { run });
        }
        Ok(())
    }
}

/// A run that begins by itself, with the defaults of its parameters.
fn run_spec(
    pipeline: &Pipeline,
    occurrence: Occurrence,
    now: Timestamp,
) -> Result<RunSpec, String> {
    let params = pipeline
        .params
        .bind(&[])
        .map_err(|errors| errors.join("; "))?;
    let chance = random();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "20 bits of chance are used"
    )]
    let id = RunId::generate(now, chance as u32);
    Ok(RunSpec {
        id,
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        params: JsonText(Json::Object(params).to_string().into()),
        interval: occurrence.interval(),
        logical_time: occurrence.tick,
        trigger: TriggerKind::Schedule,
        seed: chance.rotate_left(32),
        priority: 0,
        only: None,
        created: now,
    })
}

//! What the planner decides, as runs and rows.

use std::sync::Arc;

use super::Scheduler;
use super::firing::texts;
use crate::daemon::tell::Teller;
use crate::daemon::{Beginning, begin};
use crate::engine::Event;
use crate::engine::plan::{Cause, Decision, Occurrence, PlanEvent};
use crate::model::{RunSpec, Timestamp, TriggerKind};
use crate::spec::Pipeline;
use crate::store::{Decided, NewRun, SkippedTicks, StoreError, Thing, ThingChange};

impl Scheduler {
    /// Makes decisions durable, then acts on them. Events that follow for the planner are kept.
    pub(super) async fn carry_out(&mut self, decisions: Vec<Decision>) -> Result<(), StoreError> {
        let mut decided = Decided::default();
        let mut pipelines: Vec<Arc<Pipeline>> = Vec::new();
        let mut cancelled = Vec::new();
        let now = self.host.now();
        for decision in decisions {
            match decision {
                Decision::Start { dag, occurrence } => {
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
                    let (words, time) = (reason.words(), "%Y-%m-%dT%H:%M:%SZ");
                    if count == 1 {
                        tracing::info!(%dag, "skipped {}: {words}", first.format(time));
                    } else {
                        let (first, last) = (first.format(time), last.format(time));
                        tracing::info!(%dag, "skipped {count} ticks, {first} to {last}: {words}");
                    }
                    decided.skipped.push(SkippedTicks {
                        dag,
                        first,
                        last,
                        count,
                        reason,
                    });
                }
                Decision::Cancel { run, .. } => cancelled.push(run),
                Decision::DeadlineMissed {
                    dag,
                    run,
                    scheduled,
                    deadline,
                } => {
                    if let Some(pipeline) = self.pipelines.get(&dag) {
                        let mut others = self.host.runs().filter(|spec| spec.dag == dag);
                        let waits_for = others.next().map(|spec| spec.id.clone());
                        decided.notices.extend(Teller::late(
                            self.host.project(),
                            pipeline,
                            (run.clone(), waits_for),
                            (scheduled, deadline, now),
                            self.host.owner(),
                        ));
                    }
                    let run = run.map_or_else(String::new, |run| run.to_string());
                    tracing::warn!(%dag, %run, %scheduled, %deadline, "isn't over in time");
                }
                Decision::Remember { dag, memory } => decided.memories.push((dag, memory)),
                Decision::Keep { dag, name, stamp } => {
                    let thing = Thing { dag, name, stamp };
                    decided.things.push(ThingChange::Keep(thing));
                }
                Decision::Forget { dag, name } => {
                    decided.things.push(ThingChange::Forget { dag, name });
                }
                Decision::Answered { dag, call } => decided.answered.push((dag, call)),
            }
        }
        if decided != Decided::default() {
            self.host.decide(decided, &pipelines).await?;
        }
        for run in cancelled {
            self.host.happen(Event::CancelRequested { run });
        }
        Ok(())
    }
}

/// A run that begins by itself. Parameters that nobody gave have their defaults.
fn run_spec(
    pipeline: &Pipeline,
    occurrence: Occurrence,
    now: Timestamp,
) -> Result<RunSpec, String> {
    let given = match &occurrence.cause {
        Cause::Fired(firing) => {
            let params = serde_json::from_str(&firing.params.0);
            texts(&params.map_err(|error| error.to_string())?)
        }
        _ => Vec::new(),
    };
    let params = pipeline
        .params
        .bind(&given)
        .map_err(|errors| errors.join("; "))?;
    let interval = occurrence.interval();
    let beginning = Beginning {
        params,
        interval,
        logical_time: occurrence.tick,
        trigger: match occurrence.cause {
            Cause::Tick | Cause::Stream => TriggerKind::Schedule,
            Cause::After => TriggerKind::After {
                what: pipeline.after.names().collect::<Vec<_>>().join(", "),
            },
            Cause::Fired(firing) => TriggerKind::Event {
                source: firing.source,
                detail: firing.detail,
            },
        },
        priority: 0,
        only: None,
    };
    Ok(begin(pipeline, beginning, now))
}

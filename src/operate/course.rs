//! How a run went: when each task waited for its turn, ran, and was tried again.

use std::collections::HashMap;

use super::tone::Tone;
use crate::model::{TaskIndex, TaskRunId, TaskState, Timestamp};
use crate::store::{AttemptRow, RunRow, TaskRunRow};

/// One attempt, or the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    pub from: Timestamp,
    pub until: Timestamp,
    pub tone: Tone,
    pub generation: u32,
    pub number: u32,
}

/// The course of a run.
#[derive(Debug)]
pub struct Course {
    /// From when to when it is: its end, or now.
    pub span: (Timestamp, Timestamp),
    needs: Vec<Vec<TaskIndex>>,
    ended: HashMap<TaskIndex, Timestamp>,
    tries: HashMap<TaskRunId, Vec<Try>>,
}

impl Course {
    /// Of a run, from what is known of its tasks; `needs` by task, or nothing when nobody knows.
    /// `interrupted`: the process that carried it out is gone.
    #[must_use]
    pub fn new(
        (run, interrupted): (&RunRow, bool),
        needs: Vec<Vec<TaskIndex>>,
        tasks: &[TaskRunRow],
        attempts: &[AttemptRow],
        now: Timestamp,
    ) -> Self {
        let until = run.finished.unwrap_or(now);
        let mut course = Self {
            span: (run.created, until),
            needs,
            ended: HashMap::new(),
            tries: HashMap::new(),
        };
        for attempt in attempts {
            course.tries.entry(attempt.id).or_default().push(Try {
                from: attempt.started,
                until: attempt.finished,
                tone: Tone::of_attempt(&attempt.result.outcome),
                generation: attempt.generation,
                number: attempt.number,
            });
        }
        for row in tasks {
            match &row.state {
                TaskState::Finished { at, .. } if row.id.item.is_none() => {
                    course.ended.insert(row.id.task, *at);
                }
                TaskState::Running { started, .. } => {
                    course.tries.entry(row.id).or_default().push(Try {
                        from: *started,
                        until,
                        tone: Tone::of_task(&row.state, interrupted),
                        generation: row.generation,
                        number: row.attempts,
                    });
                }
                _ => {}
            }
        }
        for tries in course.tries.values_mut() {
            tries.sort_by_key(|one| one.from);
        }
        course
    }

    /// When a task had all it needed: nothing but a free slot was missing.
    #[must_use]
    pub fn ready(&self, task: TaskIndex) -> Timestamp {
        let needs = self.needs.get(task.get()).into_iter().flatten();
        let ends = needs.filter_map(|need| self.ended.get(need).copied());
        ends.max().unwrap_or(self.span.0).max(self.span.0)
    }

    /// The attempts of a task run, in the order of their beginnings.
    #[must_use]
    pub fn tries(&self, id: TaskRunId) -> &[Try] {
        self.tries.get(&id).map_or(&[], Vec::as_slice)
    }
}

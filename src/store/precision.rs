//! Values as they come back from a store: times are cut to microseconds, which every database has.

use crate::model::{DataInterval, Ended, Outcome, RunSpec, TaskState, Timestamp, Transition};

use super::NewRun;
use super::words::{micros, moment};

/// What is kept of a moment.
pub(super) fn time(at: Timestamp) -> Timestamp {
    moment(micros(at)).unwrap_or(at)
}

pub(super) fn new_run(new: &NewRun) -> NewRun {
    NewRun {
        spec: RunSpec {
            interval: DataInterval {
                start: time(new.spec.interval.start),
                end: time(new.spec.interval.end),
            },
            logical_time: time(new.spec.logical_time),
            created: time(new.spec.created),
            ..new.spec.clone()
        },
        owner: new.owner.clone(),
    }
}

pub(super) fn task_state(state: &TaskState) -> TaskState {
    match state {
        TaskState::Running { started, deadline } => TaskState::Running {
            started: time(*started),
            deadline: deadline.map(time),
        },
        TaskState::RetryWait { until } => TaskState::RetryWait {
            until: time(*until),
        },
        TaskState::Finished { outcome, at } => TaskState::Finished {
            outcome: Outcome::clone(outcome),
            at: time(*at),
        },
        TaskState::Waiting | TaskState::Expanded { .. } | TaskState::Ready => state.clone(),
    }
}

pub(super) fn transition(transition: &Transition) -> Transition {
    let mut cut = transition.clone();
    match &mut cut {
        Transition::Run { at, .. } | Transition::Expanded { at, .. } => *at = time(*at),
        Transition::Task {
            state, ended, at, ..
        } => {
            *at = time(*at);
            *state = task_state(state);
            if let Some(Ended { started, .. }) = ended {
                *started = time(*started);
            }
        }
    }
    cut
}

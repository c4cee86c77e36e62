//! Pipelines against the real world, without carrying anything out: each connection is looked at,
//! each statement is read by the database it is for, in a transaction that is rolled back; topics are
//! looked up, and what triggers wait for is looked at.

mod load;
mod pipeline;
mod reach;
mod statement;
mod topic;
mod trigger;
mod types;

use crate::document::Diagnostic;
use crate::model::DagId;
use crate::spec::Project;
use crate::task::Clock;

/// Looks at the pipelines of a project that `chosen` takes, and gives every problem where it stands.
/// What can't be looked at, such as a statement that the database refuses in a transaction, is a
/// note.
pub async fn rehearse(
    project: &Project,
    clock: &Clock,
    chosen: impl Fn(&DagId) -> bool,
) -> Vec<Diagnostic> {
    let known = pipeline::Known::of(project);
    let mut reached = reach::Reached::default();
    let mut found = Vec::new();
    for (id, pipeline) in &project.pipelines {
        if chosen(id) {
            found.extend(reached.look(project, pipeline).await);
            found.extend(pipeline::rehearse(project, pipeline, &known, &reached).await);
            found.extend(trigger::look(project, pipeline, clock).await);
        }
    }
    found
}

//! The tasks of a run as a graph.

use super::run::Known;
use super::run_tasks::{Group, Rows};
use super::template::{Markup, markup};
use crate::model::TaskIndex;
use crate::operate::course::Course;
use crate::operate::moment;
use crate::operate::words::count;
use crate::web::draw::{MOST, Node, graph};

/// The graph; `None` where it would be too large, or nobody knows how the tasks hang together.
pub(super) fn drawn(known: &Known, rows: &Rows<'_>, course: &Course) -> Option<Markup> {
    let pipeline = known.pipeline.as_ref()?;
    if pipeline.tasks.len() > MOST || pipeline.tasks.len() < 2 {
        return None;
    }
    let nothing = Group::default();
    let tasks = (0..).map(TaskIndex).zip(&pipeline.tasks);
    let nodes: Vec<Node> = tasks
        .map(|(task, spec)| {
            let group = rows.of(task).unwrap_or(&nothing);
            let needs = &pipeline.dag.task(task).needs;
            let mut note = vec![spec.kind.to_owned()];
            if spec.foreach.is_some() && !group.items.is_empty() {
                let (ended, total) = group.ended();
                note.push(if ended < total {
                    format!("{} of {}", count(ended), count(total))
                } else {
                    format!("× {}", count(total))
                });
            }
            let finished = group.own.is_some_and(|row| row.state.is_finished());
            let ran = group.span(course).filter(|_| finished);
            note.extend(ran.map(|(from, until)| moment::took(from, until)));
            Node {
                name: spec.id.to_string(),
                note: note.join(" · "),
                needs: needs.iter().map(|need| need.get()).collect(),
                tone: Some(group.tone(known)),
                link: format!("/runs/{}/tasks/{}", known.run.id, spec.id),
                items: spec.foreach.is_some().then(|| group.shares(known)),
            }
        })
        .collect();
    let title = format!("the tasks of {}", known.run.dag);
    Some(markup(graph(&nodes, &title)))
}

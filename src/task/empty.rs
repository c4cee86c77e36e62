//! The task that does nothing.

use async_trait::async_trait;

use super::{AttemptContext, Surroundings, Task, TaskKind, TaskOutput, TaskResult};
use crate::document::{FromNode, Node};

pub(super) const KIND: TaskKind = TaskKind {
    name: "empty",
    doc: "Does nothing: a point where others meet.",
    example: "dag: example\ntasks:\n  start: {}\n  end: { needs: start }\n",
    schema: Empty::schema,
    parse,
};

crate::record! {
    /// Does nothing: a point where others meet.
    pub struct Empty as "an empty task" {}
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    Empty::from_node(node, surroundings.report).map(|empty| Box::new(empty) as Box<dyn Task>)
}

#[async_trait]
impl Task for Empty {
    async fn run(&self, _: &AttemptContext) -> TaskResult {
        Ok(TaskOutput::default())
    }
}

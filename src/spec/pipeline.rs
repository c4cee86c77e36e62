//! What a pipeline is: as its file has it, and checked.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::notifications::{DagNotificationsRecord, Notifications};
use super::params::Params;
use super::retention::{Retention, RetentionNode};
use super::task::DefaultsRecord;
use super::triggers::{TriggerNode, TriggerSpec};
use crate::document::{Diagnostic, FromNode, Map, Node, OneOrMany, Report, Span, Spanned, Value};
use crate::model::{After, Dag, DagId, DatasetId, OverlapPolicy, Schedule, TaskId, TaskIndex};
use crate::store::DagVersion;
use crate::task::Task as Action;
use crate::template::{Template, TemplateValue};

crate::record! {
    /// A pipeline: one DAG in one file.
    pub struct PipelineRecord as "a pipeline" {
        /// The DAG's name: letters, digits, `_` and `-`.
        dag: DagName,
        /// What it is for.
        description: Option<String>,
        /// Who answers for it.
        owner: Option<String>,
        /// Words to find it by.
        tags: OneOrMany<String>,
        /// When it runs by itself.
        schedule: Option<ScheduleNode>,
        /// What outside starts it, beside a schedule: a file, a topic's messages, a query's rows, a
        /// webhook's calls; or a list of them.
        trigger: Option<TriggerNode>,
        /// What starts it instead of a schedule: other DAGs, and datasets that tasks `writes`. It
        /// runs when all the DAGs have succeeded for the same data interval, and all the datasets
        /// are newer than its last start.
        after: OneOrMany<Spanned<String>>,
        /// What becomes of a start while a run goes on: `skip` it, `queue` it, `allow` it beside, or
        /// `cancel_running`. Without it a tick of the schedule is skipped, and every other start
        /// waits.
        overlap: Option<Spanned<OverlapPolicy>>,
        /// A run that begins by itself waits until the one before it has succeeded.
        depends_on_past: Option<Spanned<bool>>,
        /// Parameters and their defaults: `name: default`, or spelled out with `type`, `default`,
        /// `enum`, `minimum`, `maximum`, `description`.
        params: Map<Node>,
        /// Names of environment variables that templates may read as `env.NAME`.
        env: OneOrMany<Spanned<String>>,
        /// What holds for every task that doesn't say otherwise.
        defaults: Option<DefaultsRecord>,
        /// Files with `params` and `tasks` that are added to this one's.
        include: OneOrMany<Spanned<String>>,
        /// Most tasks of one run at a time.
        max_active_tasks: Option<NonZeroU32>,
        /// Most runs at a time.
        max_runs: Option<NonZeroU32>,
        /// When a run should be over, counted from its scheduled time.
        deadline: Option<Spanned<Duration>>,
        /// Who is told about its runs by itself, beside what runner.yaml says.
        notifications: Option<DagNotificationsRecord>,
        /// How long its past is kept: `90d`, or a map. What it doesn't say is as in runner.yaml.
        retention: Option<RetentionNode>,
        /// What is done when the run fails, when all its tasks have ended: one kind of task, such as
        /// `notify`. Its templates may read `task.id` and `task.error` of the first that failed, and
        /// all of them as `failed`. How the run ends doesn't depend on it.
        on_failure: Option<Node>,
        /// What is done when the run succeeds, when all its tasks have ended: one kind of task.
        on_success: Option<Node>,
        /// The tasks, by name.
        tasks: TaskNodes,
    }
}

/// The value of `dag:`; `None` when it has mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct DagName(pub Option<Spanned<String>>);

impl FromNode for DagName {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        Spanned::from_node(node, report).map(|name| Self(Some(name)))
    }
    fn schema() -> schemars::Schema {
        String::schema()
    }
    fn stand_in() -> Option<Self> {
        Some(Self(None))
    }
}

/// The value of `tasks:`, not read yet: where it stands. `None` when it has mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskNodes(pub Option<Span>);

impl FromNode for TaskNodes {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Null | Value::Map(_) => Some(Self(Some(node.span))),
            Value::List(_) => {
                report.push(
                    Diagnostic::error(
                        "wrong-type",
                        "`tasks` is a map of names to tasks, not a list",
                        node.span,
                    )
                    .label("expected the name of a task")
                    .help("write `name:` and below it what the task does"),
                );
                None
            }
            _ => {
                report.expected("a map", node);
                None
            }
        }
    }
    fn schema() -> schemars::Schema {
        Map::<Node>::schema()
    }
    fn stand_in() -> Option<Self> {
        Some(Self(None))
    }
}

/// The value of `schedule:`, read when the rest of the file has been.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleNode(pub Node);

impl FromNode for ScheduleNode {
    fn from_node(node: &Node, _: &mut Report) -> Option<Self> {
        Some(Self(node.clone()))
    }
    fn schema() -> schemars::Schema {
        super::schedule::schedule_schema()
    }
}

/// A checked pipeline. It is valid: nothing in it is unresolved.
#[derive(Debug)]
pub struct Pipeline {
    pub id: DagId,
    /// Its file, relative to the project.
    pub path: PathBuf,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    pub schedule: Option<Schedule>,
    /// What it comes after. Empty in a kept version: only today's definition starts runs.
    pub after: After,
    /// What outside starts it.
    pub triggers: Vec<TriggerSpec>,
    /// What becomes of a start that no clock makes while a run goes on.
    pub overlap: OverlapPolicy,
    pub depends_on_past: bool,
    pub params: Params,
    pub max_runs: Option<u32>,
    pub deadline: Option<Duration>,
    /// Who is told about its runs; what it doesn't say is as in runner.yaml.
    pub notifications: Notifications,
    /// How long its past is kept; what it doesn't say is as in runner.yaml.
    pub retention: Retention,
    /// What the engine sees of it.
    pub dag: Arc<Dag>,
    /// What the tasks do, by index.
    pub tasks: Vec<Arc<TaskSpec>>,
    /// Whether anything is carried out because something has ended.
    pub has_hooks: bool,
    pub version: DagVersion,
}

/// A checked task.
#[derive(Debug)]
pub struct TaskSpec {
    pub id: TaskId,
    /// Where its kind stands, or its name.
    pub place: Span,
    /// The name of its kind; `empty` without one.
    pub kind: &'static str,
    pub description: Option<String>,
    pub action: Arc<dyn Action>,
    pub condition: Option<Template>,
    pub foreach: Option<Foreach>,
    /// The datasets that are newer when it has succeeded.
    pub writes: Vec<DatasetId>,
    /// Environment variables that its templates may read.
    pub env: Vec<String>,
    /// The tasks whose outputs or datasets it reads.
    pub reads: Vec<TaskIndex>,
    /// It is carried out because others have ended.
    pub hook: Option<Hook>,
}

/// What a hook waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    pub on: Ending,
    /// The task that it watches; without one it is the run.
    pub of: Option<TaskIndex>,
}

/// How something has ended for a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It failed itself: a task that never started because of another's failure didn't.
    Failure,
    Success,
}

/// What a `foreach` runs over.
#[derive(Debug, Clone, PartialEq)]
pub enum Foreach {
    Value(TemplateValue),
    Dataset(TaskId),
}

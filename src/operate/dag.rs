//! What the file of a DAG says, for programs and for whoever shows it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::why::{starts, triggers};
use crate::model::{Schedule, TaskIndex, TriggerRule};
use crate::spec::{Foreach, ParamType, Pipeline, TaskSpec};
use crate::task::Guarantee;
use crate::template::Template;

/// A DAG as its file has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Dag {
    pub dag: String,
    /// Its file, relative to the project.
    pub path: String,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    /// When it runs by itself, in words.
    pub schedule: Option<String>,
    /// What starts it instead of a schedule.
    pub after: Vec<String>,
    /// What outside starts it.
    #[schema(value_type = Vec<Object>)]
    pub triggers: Vec<Json>,
    /// All that starts it, in a few words.
    pub starts: String,
    pub params: Vec<Param>,
    /// A run that takes longer is late.
    pub deadline_seconds: Option<f64>,
    /// Most runs at a time.
    pub max_runs: Option<u32>,
    /// Most tasks of a run at a time.
    pub max_active_tasks: Option<u32>,
    /// SHA-256 of the files that define it.
    pub version: String,
    /// In the order in which they can run.
    pub tasks: Vec<Task>,
}

/// What a list says of a DAG.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DagHead)]
pub struct Head {
    pub dag: String,
    /// Its file, relative to the project.
    pub path: String,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    /// When it runs by itself, in words.
    pub schedule: Option<String>,
    /// What starts it instead of a schedule.
    pub after: Vec<String>,
    /// What outside starts it.
    #[schema(value_type = Vec<Object>)]
    pub triggers: Vec<Json>,
    /// All that starts it, in a few words.
    pub starts: String,
    /// How many tasks it has.
    pub task_count: usize,
    /// SHA-256 of the files that define it.
    pub version: String,
}

/// A parameter of a DAG.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DagParam)]
pub struct Param {
    pub name: String,
    pub description: Option<String>,
    /// The value when a run gives none.
    pub default: Option<Json>,
    /// It has no default: a run must give it.
    pub required: bool,
    pub r#type: Option<String>,
    /// The values that it may have.
    pub r#enum: Option<Vec<Json>>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    /// What a value must be: a JSON Schema.
    pub schema: Json,
}

/// A task of a DAG.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DagTask)]
pub struct Task {
    pub task: String,
    pub kind: String,
    pub description: Option<String>,
    /// The tasks that it waits for.
    pub needs: Vec<String>,
    /// Which ends of them let it start.
    pub when: String,
    /// The condition that it runs on.
    pub r#if: Option<String>,
    /// It becomes one item for each element of a list.
    pub foreach: bool,
    /// The task whose rows are the list.
    pub foreach_row_of: Option<String>,
    /// Most items at a time.
    pub concurrency: Option<u32>,
    pub retries: u32,
    pub timeout_seconds: Option<f64>,
    /// The pool that it takes slots of.
    pub pool: Option<String>,
    pub slots: Option<u32>,
    /// Larger starts first.
    pub priority: i32,
    /// Its failure counts as success.
    pub continue_on_failure: bool,
    pub connections: Vec<String>,
    /// `exactly_once` or `at_least_once`.
    pub guarantee: String,
    /// Why only at least once.
    pub guarantee_reason: Option<String>,
}

impl Head {
    /// What a file says.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        Self {
            dag: pipeline.id.to_string(),
            path: pipeline.path.display().to_string(),
            description: pipeline.description.clone(),
            owner: pipeline.owner.clone(),
            tags: pipeline.tags.clone(),
            schedule: pipeline.schedule.as_ref().map(Schedule::describe),
            after: pipeline.after.names().map(str::to_owned).collect(),
            triggers: triggers(pipeline),
            starts: starts(pipeline),
            task_count: pipeline.tasks.len(),
            version: pipeline.version.hash.clone(),
        }
    }
}

impl Dag {
    /// All that a file says.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        let head = Head::new(pipeline);
        let params = pipeline.params.iter().map(|param| Param {
            name: param.name.clone(),
            description: param.description.clone(),
            default: param.default.clone(),
            required: param.default.is_none(),
            r#type: param
                .rules
                .kind
                .map(|kind| ParamType::word(kind).to_owned()),
            r#enum: param.rules.choices.clone(),
            minimum: param.rules.minimum,
            maximum: param.rules.maximum,
            schema: param.rules.schema(),
        });
        let tasks = (0..).map(TaskIndex).zip(&pipeline.tasks);
        Self {
            dag: head.dag,
            path: head.path,
            description: head.description,
            owner: head.owner,
            tags: head.tags,
            schedule: head.schedule,
            after: head.after,
            triggers: head.triggers,
            starts: head.starts,
            params: params.collect(),
            deadline_seconds: pipeline.deadline.map(|deadline| deadline.as_secs_f64()),
            max_runs: pipeline.max_runs,
            max_active_tasks: pipeline.dag.max_active_tasks,
            version: head.version,
            tasks: tasks
                .map(|(at, spec)| Task::new(pipeline, at, spec))
                .collect(),
        }
    }
}

impl Task {
    fn new(pipeline: &Pipeline, at: TaskIndex, spec: &TaskSpec) -> Self {
        let shape = pipeline.dag.task(at);
        let needs = shape.needs.iter();
        let needs = needs.map(|need| pipeline.dag.task(*need).id.to_string());
        let (guarantee, reason) = match spec.action.guarantee() {
            Guarantee::ExactlyOnce => ("exactly_once", None),
            Guarantee::AtLeastOnce { reason } => ("at_least_once", Some(reason)),
        };
        let mut rules = TriggerRule::ALL.iter();
        let when = rules.find(|(_, rule)| *rule == shape.rule);
        let row_of = match &spec.foreach {
            Some(Foreach::Dataset(from)) => Some(from.to_string()),
            Some(Foreach::Value(_)) | None => None,
        };
        Self {
            task: spec.id.to_string(),
            kind: spec.kind.to_owned(),
            description: spec.description.clone(),
            needs: needs.collect(),
            when: when.map_or("", |(word, _)| word).to_owned(),
            r#if: spec
                .condition
                .as_ref()
                .map(Template::source)
                .map(str::to_owned),
            foreach: spec.foreach.is_some(),
            foreach_row_of: row_of,
            concurrency: shape.concurrency,
            retries: shape.retry.retries,
            timeout_seconds: shape.timeout.map(|timeout| timeout.as_secs_f64()),
            pool: shape.pool.as_ref().map(|(pool, _)| pool.to_string()),
            slots: shape.pool.as_ref().map(|(_, slots)| *slots),
            priority: shape.priority,
            continue_on_failure: shape.continue_on_failure,
            connections: spec
                .action
                .connections()
                .into_iter()
                .map(ToString::to_string)
                .collect(),
            guarantee: guarantee.to_owned(),
            guarantee_reason: reason,
        }
    }

    /// Whether it starts when all that it needs has succeeded.
    #[must_use]
    pub fn has_usual_rule(&self) -> bool {
        let mut rules = TriggerRule::ALL.iter();
        let rule = rules.find(|(word, _)| *word == self.when);
        rule.is_none_or(|(_, rule)| *rule == TriggerRule::default())
    }
}

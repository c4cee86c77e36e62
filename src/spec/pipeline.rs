//! One pipeline file becomes a checked DAG.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::files::{Files, View};
use super::graph::Graph;
use super::params::Params;
use super::settings::{Settings, check_pool};
use super::task::{
    Condition, DefaultsRecord, TaskHead, TaskRecord, check_retry, read_head, retry_policy,
};
use super::version::version_of;
use super::yaml::read_yaml;
use crate::document::{
    Diagnostic, FromNode, Map, Node, OneOrMany, Report, SourceId, Spanned, Value,
};
use crate::model::{Dag, DagId, Schedule, Task, TaskId, TaskIndex};
use crate::secret::Environment;
use crate::store::DagVersion;
use crate::task::{Surroundings, Task as Action};
use crate::template::{Shape, Template, TemplateValue};

crate::record! {
    /// A pipeline: one DAG in one file.
    pub struct PipelineRecord as "a pipeline" {
        /// The DAG's name: letters, digits, `_` and `-`.
        dag: Spanned<String>,
        /// What it is for.
        description: Option<String>,
        /// Who answers for it.
        owner: Option<String>,
        /// Words to find it by.
        tags: OneOrMany<String>,
        /// When it runs by itself.
        schedule: Option<ScheduleNode>,
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
        deadline: Option<Duration>,
        /// The tasks, by name.
        tasks: Spanned<Map<Node>>,
    }
}

crate::record! {
    /// A file that is included.
    pub struct IncludeRecord as "an included file" {
        /// Parameters that are added.
        params: Map<Node>,
        /// Tasks that are added.
        tasks: Map<Node>,
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
    pub params: Params,
    pub max_runs: Option<u32>,
    pub deadline: Option<Duration>,
    /// What the engine sees of it.
    pub dag: Arc<Dag>,
    /// What the tasks do, by index.
    pub tasks: Vec<Arc<TaskSpec>>,
    pub version: DagVersion,
}

/// A checked task.
#[derive(Debug)]
pub struct TaskSpec {
    pub id: TaskId,
    /// The name of its kind; `empty` without one.
    pub kind: &'static str,
    pub description: Option<String>,
    pub action: Arc<dyn Action>,
    pub condition: Option<Template>,
    pub foreach: Option<Foreach>,
    /// Environment variables that its templates may read.
    pub env: Vec<String>,
    /// The tasks whose outputs or datasets it reads.
    pub reads: Vec<TaskIndex>,
}

/// What a `foreach` runs over.
#[derive(Debug, Clone, PartialEq)]
pub enum Foreach {
    Value(TemplateValue),
    Dataset(TaskId),
}

/// What a pipeline is read in.
pub struct Context<'a> {
    pub settings: &'a Settings,
    pub environment: &'a Environment,
}

/// Reads a pipeline's file. `None` when it has errors; all of them are reported.
pub fn read_pipeline(
    path: &Path,
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Pipeline> {
    files.used.clear();
    let (source, text) = files.read_or_report(path, report)?;
    let before = errors(report);
    let node = read_yaml(source, &text, report)?;
    if node.value == Value::Null {
        report.push(
            Diagnostic::error("empty-file", "the file is empty", node.span)
                .help("a pipeline begins with `dag: its_name` and has `tasks:`"),
        );
        return None;
    }
    let record = PipelineRecord::from_node(&node, report)?;
    let id = match DagId::new(&record.dag) {
        Ok(id) => Some(id),
        Err(error) => {
            report.push(
                Diagnostic::error(
                    "invalid-name",
                    format!("`{}` can't be the name of a DAG", record.dag.value),
                    record.dag.span,
                )
                .label(error.to_string()),
            );
            None
        }
    };
    let (tasks, params) = with_includes(&record, files, report);
    let mut params = Params::read(&params, report);
    for (name, value) in &context.settings.params {
        if params.names().contains(&name.value)
            && let Err(reason) = params.set_default(name, value.clone())
        {
            report.push(Diagnostic::error("wrong-type", reason, name.span));
        }
    }
    let schedule = record
        .schedule
        .as_ref()
        .and_then(|node| super::schedule::read_schedule(&node.0, report));
    let levels: Vec<&DefaultsRecord> = record
        .defaults
        .iter()
        .chain(&context.settings.defaults)
        .collect();
    if let Some(defaults) = &record.defaults {
        if let Some(retry) = &defaults.retry {
            check_retry(retry, report);
        }
        check_pool(
            defaults.pool.as_ref(),
            &context.settings.limits.pools,
            report,
        );
    }
    check_env(&record.env.0, context.environment, report);
    if tasks.is_empty() {
        report.push(
            Diagnostic::error(
                "no-tasks",
                "a pipeline has at least one task",
                record.tasks.span,
            )
            .label("add a task"),
        );
    }
    let heads: Vec<TaskHead> = tasks
        .iter()
        .filter_map(|(name, node)| {
            let name = name.clone().map(String::into_boxed_str);
            read_head(&name, node, report)
        })
        .collect();
    let names = heads.iter().map(|head| head.id.clone()).collect();
    let needs: Vec<&[Spanned<String>]> = heads
        .iter()
        .map(|head| {
            head.record
                .as_ref()
                .map_or(&[][..], |record| &record.needs.0)
        })
        .collect();
    let graph = Graph::build(names, &needs, report)?;
    let scope = base_scope(&params, &record.env.0);
    let mut read = Reading {
        files,
        context,
        scope: &scope,
        params: &params.names(),
        env: &record.env.0,
        graph: &graph,
        levels: &levels,
        report,
    };
    let mut specs: Vec<Option<(Task, TaskSpec, BTreeSet<String>)>> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| read.task(head, at))
        .collect();
    if errors(report) > before {
        return None;
    }
    let id = id?;
    let order = graph.order();
    let mut place = vec![TaskIndex(0); order.len()];
    for (to, from) in (0u32..).zip(&order) {
        place[*from] = TaskIndex(to);
    }
    let mut engine_tasks = Vec::with_capacity(order.len());
    let mut task_specs = Vec::with_capacity(order.len());
    for from in &order {
        let (mut task, mut spec, reads) = specs.get_mut(*from)?.take()?;
        spec.reads = reads
            .iter()
            .filter_map(|name| graph.place(name).map(|at| place[at]))
            .collect();
        task.needs = graph.needs(*from).iter().map(|need| place[*need]).collect();
        engine_tasks.push(task);
        task_specs.push(Arc::new(spec));
    }
    let dag = Dag {
        id: id.clone(),
        tasks: engine_tasks,
        max_active_tasks: record.max_active_tasks.map(NonZeroU32::get),
    };
    let mut used = std::mem::take(&mut files.used);
    if let Some(profile) = &context.settings.profile {
        used.insert(super::version::PROFILE.to_owned(), profile.clone());
    }
    let version = version_of(&id, &dag, used);
    Some(Pipeline {
        id,
        path: path.to_owned(),
        description: record.description,
        owner: record.owner,
        tags: record.tags.0,
        schedule,
        params,
        max_runs: record.max_runs.map(NonZeroU32::get),
        deadline: record.deadline,
        dag: Arc::new(dag),
        tasks: task_specs,
        version,
    })
}

fn errors(report: &Report) -> usize {
    report
        .diagnostics()
        .iter()
        .filter(|diagnostic| diagnostic.severity == crate::document::Severity::Error)
        .count()
}

type Tasks = Vec<(Spanned<String>, Node)>;

/// The file's own tasks and params, then those of its includes.
fn with_includes(
    record: &PipelineRecord,
    files: &mut Files<'_>,
    report: &mut Report,
) -> (Tasks, Map<Node>) {
    let mut tasks = record.tasks.value.0.clone();
    let mut params = record.params.clone();
    for include in &record.include.0 {
        let (source, text): (SourceId, Arc<str>) = match files.read(Path::new(&include.value)) {
            Ok(found) => found,
            Err(reason) => {
                report.push(Diagnostic::error(
                    "unreadable-file",
                    format!("`{}` can't be read: {reason}", include.value),
                    include.span,
                ));
                continue;
            }
        };
        let Some(included) = read_yaml(source, &text, report)
            .and_then(|node| IncludeRecord::from_node(&node, report))
        else {
            continue;
        };
        for (name, node) in included.tasks.0 {
            if let Some((first, _)) = tasks.iter().find(|(known, _)| known.value == name.value) {
                report.push(
                    Diagnostic::error(
                        "duplicate-key",
                        format!("task `{}` is in two files", name.value),
                        name.span,
                    )
                    .related(first.span, "first here"),
                );
            } else {
                tasks.push((name, node));
            }
        }
        // The including file has the last word on defaults.
        for (name, node) in included.params.0 {
            if !params.0.iter().any(|(known, _)| known.value == name.value) {
                params.0.push((name, node));
            }
        }
    }
    (tasks, params)
}

fn check_env(names: &[Spanned<String>], environment: &Environment, report: &mut Report) {
    for name in names {
        if environment.get(name).is_none() {
            let diagnostic = Diagnostic::warning(
                "unset-variable",
                format!("the environment variable `{}` isn't set", name.value),
                name.span,
            );
            report.push(match crate::document::nearest(name, environment.names()) {
                Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                None => diagnostic.help("set it, or write it into `.env`"),
            });
        }
    }
}

/// The names that every task of a DAG may use; `tasks` is looked up in the graph.
fn base_scope(params: &Params, env: &[Spanned<String>]) -> Shape {
    let names = |names: &mut dyn Iterator<Item = &str>| {
        names.fold(Shape::empty(), |shape, name| shape.with(name, Shape::Any))
    };
    let interval = names(&mut ["start", "end"].into_iter());
    Shape::empty()
        .with(
            "params",
            names(&mut params.iter().map(|param| param.name.as_str())),
        )
        .with(
            "run",
            names(&mut ["id", "dag", "logical_time", "trigger"].into_iter())
                .with("data_interval", interval),
        )
        .with("tasks", Shape::Any)
        .with(
            "env",
            names(&mut env.iter().map(|name| name.value.as_str())),
        )
}

/// What the tasks of one DAG are read in.
struct Reading<'a, 'f> {
    files: &'a mut Files<'f>,
    context: &'a Context<'a>,
    scope: &'a Shape,
    params: &'a [String],
    env: &'a [Spanned<String>],
    graph: &'a Graph,
    levels: &'a [&'a DefaultsRecord],
    report: &'a mut Report,
}

impl Reading<'_, '_> {
    /// Reads what is particular to a task: its templates and the part of its kind.
    fn task(&mut self, head: &TaskHead, at: usize) -> Option<(Task, TaskSpec, BTreeSet<String>)> {
        let record = head.record.as_ref()?;
        let pools = &self.context.settings.limits.pools;
        let pool = record
            .pool
            .as_ref()
            .or_else(|| self.levels.iter().find_map(|level| level.pool.as_ref()));
        let pool_id = match &record.pool {
            Some(own) => check_pool(Some(own), pools, self.report),
            // Defaults were checked where they stand.
            None => pool.and_then(|pool| {
                pools
                    .get_key_value(pool.value.as_str())
                    .map(|(id, _)| id.clone())
            }),
        };
        let slots = record.slots.map_or(1, NonZeroU32::get);
        if let (Some(id), Some(span)) = (&pool_id, record.pool.as_ref().map(|pool| pool.span))
            && slots > pools[id]
        {
            self.report.push(Diagnostic::error(
                "too-many-slots",
                format!(
                    "the task takes {slots} slots, pool `{id}` has {}",
                    pools[id]
                ),
                span,
            ));
        }
        if let Some(retry) = &record.retry {
            check_retry(retry, self.report);
        }
        let retry = retry_policy(
            record.retries.as_ref(),
            record.retry.as_ref(),
            self.levels,
            self.report,
        );
        check_env(&record.env.0, self.context.environment, self.report);
        let own_env = record.env.0.iter().map(|name| name.value.as_str());
        let mut scope = self.scope.clone();
        if let Shape::Names(names) = &mut scope
            && let Some(env) = names.remove("env")
        {
            let env = own_env.fold(env, |shape, name| shape.with(name, Shape::Any));
            names.insert("env".to_owned(), env);
        }
        let around = self.graph.around(at);
        let mut view = View {
            files: self.files,
            connections: &self.context.settings.connections,
        };
        let mut surroundings = Surroundings {
            report: self.report,
            project: &mut view,
            task: &head.id,
            scope: &scope,
            params: self.params,
            graph: &around,
            reads: BTreeSet::new(),
        };
        let mut fine = true;
        let condition = match &record.r#if {
            None | Some(Condition::Constant(true)) => None,
            Some(Condition::Constant(false)) => Template::expression("false").ok(),
            Some(Condition::Expression(text)) => {
                let template = surroundings.expression(text);
                fine &= template.is_some();
                template
            }
        };
        let foreach = match &record.foreach {
            None => None,
            Some(node) => {
                let read = read_foreach(node, &mut surroundings);
                fine &= read.is_some();
                read
            }
        };
        let with_item = scope.clone().with("item", Shape::Any);
        surroundings.scope = if record.foreach.is_some() {
            &with_item
        } else {
            &scope
        };
        let empty_body = Node {
            value: Value::Map(Vec::new()),
            span: head.name_span,
        };
        let body = head.body.as_ref().unwrap_or(&empty_body);
        let action = (head.kind.parse)(body, &mut surroundings)?;
        let reads = surroundings.reads;
        if !fine {
            return None;
        }
        let timeout = record
            .timeout
            .or_else(|| self.levels.iter().find_map(|level| level.timeout));
        let priority = record
            .priority
            .or_else(|| self.levels.iter().find_map(|level| level.priority))
            .unwrap_or_default();
        let task = Task {
            id: head.id.clone(),
            needs: Vec::new(),
            rule: record
                .when
                .as_ref()
                .map(|rule| rule.value)
                .unwrap_or_default(),
            dynamic: condition.is_some() || foreach.is_some(),
            retry,
            timeout,
            pool: pool_id.map(|id| (id, slots)),
            priority,
            concurrency: record.concurrency.map(NonZeroU32::get),
            continue_on_failure: record.continue_on_failure.unwrap_or_default(),
        };
        let spec = TaskSpec {
            id: head.id.clone(),
            kind: head.kind.name,
            description: record.description.clone(),
            action: Arc::from(action),
            condition,
            foreach,
            env: self
                .env
                .iter()
                .chain(&record.env.0)
                .map(|name| name.value.clone())
                .collect(),
            reads: Vec::new(),
        };
        Some((task, spec, reads))
    }
}

crate::record! {
    /// The rows of an earlier task.
    pub struct ForeachDataset as "`foreach`" {
        /// The task whose rows are the items.
        dataset: Spanned<String>,
    }
}

fn read_foreach(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Foreach> {
    match &node.value {
        Value::List(_) => surroundings.template_value(node).map(Foreach::Value),
        Value::Text(text) => {
            let template = surroundings.template(&Spanned::new(text.to_string(), node.span))?;
            if template.is_literal() {
                surroundings.report.push(
                    Diagnostic::error(
                        "wrong-type",
                        format!("`{text}` is a text, `foreach` runs over a list"),
                        node.span,
                    )
                    .help(format!(
                        "write `[{text}]`, or an expression: `\"{{{{ params.{text} }}}}\"`"
                    )),
                );
                return None;
            }
            Some(Foreach::Value(TemplateValue::Template(template)))
        }
        Value::Map(_) => {
            let record = ForeachDataset::from_node(node, surroundings.report)?;
            surroundings.dataset(&record.dataset).map(Foreach::Dataset)
        }
        _ => {
            surroundings
                .report
                .expected("a list, an expression or `{ dataset: task }`", node);
            None
        }
    }
}

/// The keys of a task that aren't of its kind, for the JSON Schema.
pub(super) fn task_record_schema() -> schemars::Schema {
    TaskRecord::schema()
}

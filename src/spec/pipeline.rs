//! One pipeline file becomes a checked DAG.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::files::Files;
use super::graph::Graph;
use super::include::with_includes;
use super::params::Params;
use super::reading::{Reading, base_scope, check_env};
use super::settings::{Settings, check_pool};
use super::task::{DefaultsRecord, TaskHead, check_retry, read_head};
use super::version::version_of;
use super::yaml::read_yaml;
use crate::document::{Diagnostic, FromNode, Map, Node, OneOrMany, Report, Spanned, Value};
use crate::model::{Dag, DagId, Schedule, Task, TaskId, TaskIndex};
use crate::secret::Environment;
use crate::store::DagVersion;
use crate::task::Task as Action;
use crate::template::{Template, TemplateValue};

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

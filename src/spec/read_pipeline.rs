//! One pipeline file becomes a checked DAG.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use super::files::{Files, Origin, View};
use super::graph::Graph;
use super::hooks::with_hooks;
use super::include::with_includes;
use super::names::invalid_name;
use super::notifications::{Notifications, read_dag_notifications};
use super::params::Params;
use super::pipeline::{Pipeline, PipelineRecord, TaskSpec};
use super::placement::point_at_keys;
use super::project::SETTINGS_FILE;
use super::reading::{Reading, base_scope, check_env};
use super::retention::read_retention;
use super::retry::check_retry;
use super::settings::{Settings, check_pool};
use super::task::{DefaultsRecord, TaskHead, read_head};
use super::triggers::read_triggers;
use super::unused::warn_of_unused;
use super::version::version_of;
use super::yaml::read_yaml;
use crate::document::{
    Diagnostic, Entry, Node, Report, Severity, Span, Spanned, Value, refuse_unknown_keys,
};
use crate::model::{After, Dag, DagId, OverlapPolicy, Schedule, Task, TaskIndex};
use crate::secret::Environment;

/// What a pipeline is read in.
pub struct Context<'a> {
    pub settings: &'a Settings,
    pub environment: &'a Environment,
}

/// What a pipeline's file gave.
#[derive(Default)]
pub struct ReadPipeline {
    /// The name of the DAG, where that much could be read.
    pub name: Option<Spanned<String>>,
    /// The names that it comes after, and those that its tasks write.
    pub after: Vec<Spanned<String>>,
    pub writes: Vec<Spanned<String>>,
    /// `None` when the file has errors. What it comes after isn't resolved yet.
    pub pipeline: Option<Arc<Pipeline>>,
}

/// Reads a pipeline's file. Everything that is wrong with it is reported.
pub fn read_pipeline(
    path: &Path,
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> ReadPipeline {
    files.used.clear();
    // The project's defaults are part of what a run is pinned to; a project may do without.
    let _ = files.read(Path::new(SETTINGS_FILE));
    let before = report.diagnostics().len();
    let Some((source, text)) = files.read_or_report(path, report) else {
        return ReadPipeline::default();
    };
    let Some(node) = read_yaml(source, &text, report) else {
        return ReadPipeline::default();
    };
    if node.value == Value::Null {
        report.push(
            Diagnostic::error("empty-file", "the file is empty", Span::new(source, 0..0))
                .help("a pipeline begins with `dag: its_name` and has `tasks:`"),
        );
        return ReadPipeline::default();
    }
    let Some((entries, record)) = read_record(&node, report) else {
        return ReadPipeline::default();
    };
    let name = record.dag.0.clone();
    let tasks = entries.iter().find(|entry| &*entry.key.value == "tasks");
    let tasks = tasks.and_then(|entry| entry.value.as_map());
    let own = OwnFile {
        path,
        record: &record,
        tasks: tasks.unwrap_or_default(),
        before,
    };
    let mut writes = Vec::new();
    let pipeline = read_dag(&own, files, context, &mut writes, report);
    point_at_keys(&node, before, report);
    ReadPipeline {
        name,
        after: record.after.0,
        writes,
        pipeline,
    }
}

/// A pipeline's own file.
struct OwnFile<'a> {
    path: &'a Path,
    record: &'a PipelineRecord,
    tasks: &'a [Entry],
    /// How many diagnostics aren't of this file.
    before: usize,
}

/// The entries of the file, misspelled keys corrected, and what they say.
fn read_record<'a>(
    node: &'a Node,
    report: &mut Report,
) -> Option<(Cow<'a, [Entry]>, PipelineRecord)> {
    let Some(entries) = node.as_map() else {
        report.push(
            Diagnostic::error(
                "wrong-type",
                format!("a pipeline is a map, this file is {}", node.kind()),
                node.span,
            )
            .label("expected `dag: its_name`")
            .help("a file in `pipelines/` has the keys `dag` and `tasks`"),
        );
        return None;
    };
    let entries = refuse_unknown_keys(entries, PipelineRecord::KEYS, "a pipeline", report);
    let record = PipelineRecord::from_entries(&entries, node.span, report)?;
    Some((entries, record))
}

fn read_dag(
    own: &OwnFile<'_>,
    files: &mut Files<'_>,
    context: &Context<'_>,
    writes: &mut Vec<Spanned<String>>,
    report: &mut Report,
) -> Option<Arc<Pipeline>> {
    let record = own.record;
    let id = record.dag.0.as_ref().and_then(|name| dag_id(name, report));
    let (tasks, params) = with_includes(own.tasks, record, files, report);
    let mut params = Params::read(&params, report);
    for (name, value) in &context.settings.params {
        if params.has(name)
            && let Err(reason) = params.set_default(name, value.value.clone())
        {
            report.push(
                Diagnostic::error("wrong-type", reason, value.span)
                    .label("the profile's value doesn't fit"),
            );
        }
    }
    let schedule = record
        .schedule
        .as_ref()
        .and_then(|node| super::schedule::read_schedule(&node.0, record.overlap, report));
    check_starts(record, schedule.as_ref(), report);
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
    if let Some(span) = record.tasks.0
        && tasks.is_empty()
    {
        report.push(
            Diagnostic::error("no-tasks", "a pipeline has at least one task", span)
                .label("add a task")
                .help("such as `hello: { shell: echo hello }`"),
        );
    }
    let (tasks, hooks) = with_hooks(tasks, record, report);
    let heads: Vec<TaskHead<'_>> = tasks
        .iter()
        .filter_map(|(name, node)| read_head(name, node, report))
        .collect();
    writes.extend(heads.iter().flat_map(|head| head.record.writes.0.clone()));
    let graph = Graph::build(&heads, report);
    let read = read_triggers(record.trigger.as_ref(), &params, files, context, report);
    let triggers = read.triggers;
    let scope = base_scope(&params, &record.env.0, read.firing);
    let mut read = Reading {
        files,
        context,
        scope: &scope,
        params: &params.names(),
        env: &record.env.0,
        graph: &graph,
        levels: &levels,
        hooks: &hooks,
        report,
    };
    let mut specs: Vec<Option<(Task, TaskSpec, BTreeSet<String>)>> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| read.task(head, at))
        .collect();
    let notifications = own_notifications(record, &params, read.files, context, read.report);
    let retention = read_retention(record.retention.as_ref(), read.report);
    let broken = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    if report.diagnostics()[own.before..].iter().any(broken) {
        return None;
    }
    warn_of_unused(&params, &files.used, report);
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
        spec.hook = hooks
            .get(spec.id.as_str())
            .map(|hook| hook.resolve(&graph, &place));
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
        used.insert(super::version::PROFILE.to_owned(), profile.as_str().into());
    }
    let version = version_of(&id, &dag, used);
    Some(Arc::new(Pipeline {
        id,
        path: own.path.to_owned(),
        description: record.description.clone(),
        owner: record.owner.clone(),
        tags: record.tags.0.clone(),
        schedule,
        after: After::default(),
        triggers,
        overlap: record
            .overlap
            .map_or(OverlapPolicy::Queue, |overlap| overlap.value),
        depends_on_past: record.depends_on_past.is_some_and(|depends| depends.value),
        params,
        max_runs: record.max_runs.map(NonZeroU32::get),
        deadline: record.deadline.map(|deadline| deadline.value),
        notifications,
        retention,
        dag: Arc::new(dag),
        has_hooks: !hooks.is_empty(),
        tasks: task_specs,
        version,
    }))
}

/// What starts it, and what holds for these starts, fit together.
fn check_starts(record: &PipelineRecord, schedule: Option<&Schedule>, report: &mut Report) {
    if let (Some(node), Some(first)) = (&record.schedule, record.after.0.first()) {
        report.push(
            Diagnostic::error(
                "conflicting-keys",
                "`schedule` and `after` exclude each other",
                first.span,
            )
            .related(node.0.span, "begins by the clock")
            .help("leave `schedule` out: what the DAG comes after has one"),
        );
    }
    if schedule != Some(&Schedule::Always) {
        return;
    }
    if let (Some(trigger), Some(schedule)) = (&record.trigger, &record.schedule) {
        report.push(
            Diagnostic::error(
                "conflicting-keys",
                "`schedule: always` and `trigger` exclude each other",
                trigger.0.span,
            )
            .label("nothing starts a stream: it always runs")
            .related(schedule.0.span, "a stream"),
        );
    }
    let set = [
        ("deadline", record.deadline.map(|set| set.span)),
        (
            "depends_on_past",
            record.depends_on_past.map(|set| set.span),
        ),
        ("overlap", record.overlap.map(|set| set.span)),
    ];
    for (key, span) in set {
        if let Some(span) = span {
            report.push(
                Diagnostic::warning(
                    "no-effect",
                    format!("`{key}` has no effect on a stream"),
                    span,
                )
                .help("with `schedule: always` one run goes on without end"),
            );
        }
    }
}

/// What a DAG says about messages. Of a kept version mistakes don't count: its connections may be of
/// the past, and what can't be told hinders no run.
fn own_notifications(
    record: &PipelineRecord,
    params: &Params,
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Notifications {
    let deadline = record.deadline.is_some();
    let Some(record) = &record.notifications else {
        return Notifications::default();
    };
    if let (Some(place), false) = (record.told_of_deadlines(), deadline) {
        report.push(
            Diagnostic::warning(
                "no-effect",
                "nobody will be told: the DAG has no `deadline`",
                place,
            )
            .help("say when a run should be over: `deadline: 1h`"),
        );
    }
    let mut ignored = Report::default();
    let report = match files.origin {
        Origin::Kept(_) => &mut ignored,
        Origin::Disk(_) => report,
    };
    let mut view = View {
        files,
        connections: &context.settings.connections,
        broken_connections: &context.settings.broken_connections,
    };
    read_dag_notifications(record, &params.names(), &mut view, report)
}

fn dag_id(name: &Spanned<String>, report: &mut Report) -> Option<DagId> {
    let id = DagId::new(name);
    if let Err(error) = id {
        report.push(invalid_name("a DAG", name, error));
    }
    id.ok()
}

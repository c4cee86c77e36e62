//! The tasks of a pipeline, read one by one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::files::{Files, View};
use super::graph::Graph;
use super::hooks::Hooks;
use super::names::invalid_name;
use super::params::Params;
use super::pipeline::{Foreach, TaskSpec};
use super::read_pipeline::Context;
use super::retry::{check_retry, retry_policy};
use super::settings::check_pool;
use super::task::{Condition, DefaultsRecord, TaskHead, TaskRecord};
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned, Value};
use crate::model::{DatasetId, PoolId, Task};
use crate::secret::Environment;
use crate::task::{EMPTY, Surroundings, Task as Action};
use crate::template::{Shape, Template, TemplateValue};

/// What the tasks of one DAG are read in.
pub struct Reading<'a, 'f> {
    pub files: &'a mut Files<'f>,
    pub context: &'a Context<'a>,
    pub scope: &'a Shape,
    pub params: &'a [String],
    pub env: &'a [Spanned<String>],
    pub graph: &'a Graph,
    pub levels: &'a [&'a DefaultsRecord],
    pub hooks: &'a Hooks,
    pub report: &'a mut Report,
}

impl Reading<'_, '_> {
    /// Reads what is particular to a task: its templates and the part of its kind.
    pub fn task(
        &mut self,
        head: &TaskHead<'_>,
        at: usize,
    ) -> Option<(Task, TaskSpec, BTreeSet<String>)> {
        let record = &head.record;
        let pool = self.pool(record);
        if let Some(retry) = &record.retry {
            check_retry(retry, self.report);
        }
        let retry = retry_policy(
            record.retries.as_ref(),
            record.retry.as_ref(),
            self.levels,
            self.report,
        );
        if let Some(own) = &record.retry
            && retry.retries == 0
            && record.retries.is_none()
            && own.attempts.is_none()
            && !self.report.is_mended(own.span)
        {
            self.report.push(
                Diagnostic::warning(
                    "no-effect",
                    "`retry` has no effect: there is only one attempt",
                    head.key_span("retry"),
                )
                .help("say how often: `retries: 3`"),
            );
        }
        check_env(&record.env.0, self.context.environment, self.report);
        let mut scope = with_env(self.scope, &record.env.0);
        let hook = self.hooks.get(&head.name.value);
        if let Some(hook) = hook {
            scope = Cow::Owned(hook.scope(scope.into_owned()));
        }
        let around = self.graph.around(at);
        let mut view = View {
            files: self.files,
            connections: &self.context.settings.connections,
            broken_connections: &self.context.settings.broken_connections,
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
        let with_item = match &record.foreach {
            Some(_) => Cow::Owned(scope.clone().into_owned().with("item", Shape::Any)),
            None => Cow::Borrowed(&*scope),
        };
        surroundings.scope = &with_item;
        let (kind, action) = read_action(head, &mut surroundings);
        let reads = surroundings.reads;
        let action = action.filter(|_| fine)?;
        let timeout = record
            .timeout
            .or_else(|| self.levels.iter().find_map(|level| level.timeout));
        let priority = record
            .priority
            .or_else(|| self.levels.iter().find_map(|level| level.priority))
            .unwrap_or_default();
        let writes = record.writes.0.iter();
        let writes = writes
            .filter_map(|name| match DatasetId::new(name) {
                Ok(dataset) => Some(dataset),
                Err(error) => {
                    self.report.push(invalid_name("a dataset", name, error));
                    None
                }
            })
            .collect();
        let waits = action.child().is_some_and(|child| child.wait);
        if let (true, Some(pool)) = (waits, &record.pool) {
            self.report.push(
                Diagnostic::warning(
                    "no-effect",
                    "`pool` has no effect on a task that waits for a run",
                    pool.span,
                )
                .label("it takes no slots")
                .help("give the tasks of the other DAG a pool"),
            );
        }
        let task = Task {
            id: head.id.clone(),
            needs: Vec::new(),
            rule: record
                .when
                .as_ref()
                .map(|rule| rule.value)
                .unwrap_or_default(),
            dynamic: condition.is_some() || foreach.is_some() || hook.is_some(),
            retry,
            timeout,
            pool,
            priority,
            concurrency: record.concurrency.map(|limit| limit.get()),
            // A hook never changes how the run ends.
            continue_on_failure: record.continue_on_failure.unwrap_or_default() || hook.is_some(),
            waits,
        };
        let spec = TaskSpec {
            id: head.id.clone(),
            place: head.key_span(kind),
            kind,
            description: record.description.clone(),
            action: Arc::from(action),
            condition,
            foreach,
            writes,
            env: self
                .env
                .iter()
                .chain(&record.env.0)
                .map(|name| name.value.clone())
                .collect(),
            reads: Vec::new(),
            hook: None,
        };
        Some((task, spec, reads))
    }

    /// The pool that a task takes slots from, and how many.
    fn pool(&mut self, record: &TaskRecord) -> Option<(PoolId, u32)> {
        let pools = &self.context.settings.limits.pools;
        let from_defaults = || self.levels.iter().find_map(|level| level.pool.as_ref());
        let id = if let Some(own) = &record.pool {
            check_pool(Some(own), pools, self.report)?
        } else if let Some(pool) = from_defaults() {
            // Defaults were checked where they stand.
            pools.get_key_value(pool.value.as_str())?.0.clone()
        } else {
            if let Some(slots) = &record.slots {
                self.report.push(
                    Diagnostic::warning(
                        "no-effect",
                        "`slots` has no effect without `pool`",
                        slots.span,
                    )
                    .label("slots of which pool?"),
                );
            }
            return None;
        };
        let slots = record.slots.map_or(1, |slots| slots.get());
        if let Some(taken) = &record.slots
            && slots > pools[&id]
        {
            let mut diagnostic = Diagnostic::error(
                "too-many-slots",
                format!(
                    "the task takes {slots} slots, but pool `{id}` has only {}",
                    pools[&id]
                ),
                taken.span,
            )
            .label("it could never start")
            .help("take fewer, or enlarge the pool in runner.yaml");
            if let Some(pool) = &record.pool {
                diagnostic = diagnostic.related(pool.span, "the pool");
            }
            self.report.push(diagnostic);
        }
        Some((id, slots))
    }
}

/// The scope with the variables that a task declares; mostly there are none.
fn with_env<'a>(scope: &'a Shape, names: &[Spanned<String>]) -> Cow<'a, Shape> {
    if names.is_empty() {
        return Cow::Borrowed(scope);
    }
    let mut scope = scope.clone();
    if let Shape::Names(known) = &mut scope
        && let Some(env) = known.remove("env")
    {
        let declared = names.iter().map(|name| name.value.as_str());
        let env = declared.fold(env, |shape, name| shape.with(name, Shape::Any));
        known.insert("env".to_owned(), env);
    }
    Cow::Owned(scope)
}

/// What the task does: the part of its kind. With several kinds, which is a mistake, all are read.
fn read_action(
    head: &TaskHead<'_>,
    surroundings: &mut Surroundings<'_>,
) -> (&'static str, Option<Box<dyn Action>>) {
    let mut action = None;
    for (kind, entry) in head.kinds() {
        let before = surroundings.report.diagnostics().len();
        let read = (kind.parse)(&entry.value, surroundings);
        surroundings.report.revise(before, |diagnostic| {
            let whole = diagnostic.primary.span == entry.value.span;
            if whole && diagnostic.message.starts_with("expected ") {
                diagnostic
                    .message
                    .insert_str(0, &format!("`{}`: ", kind.name));
            }
        });
        action.get_or_insert((kind.name, read));
    }
    action.unwrap_or_else(|| {
        let body = Node {
            value: Value::Map(Vec::new()),
            span: head.name.span,
        };
        (EMPTY.name, (EMPTY.parse)(&body, surroundings))
    })
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

/// Warns of environment variables that aren't set.
pub fn check_env(names: &[Spanned<String>], environment: &Environment, report: &mut Report) {
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
///
/// `firing` is what `run.firing` has, where something outside starts the DAG.
pub fn base_scope(params: &Params, env: &[Spanned<String>], firing: Option<Shape>) -> Shape {
    let names = |names: &mut dyn Iterator<Item = &str>| {
        names.fold(Shape::empty(), |shape, name| shape.with(name, Shape::Any))
    };
    let interval = names(&mut ["start", "end"].into_iter());
    let mut run = names(&mut ["id", "dag", "logical_time", "trigger"].into_iter())
        .with("data_interval", interval);
    if let Some(firing) = firing {
        run = run.with("firing", firing);
    }
    Shape::empty()
        .with(
            "params",
            names(&mut params.iter().map(|param| param.name.as_str())),
        )
        .with("run", run)
        .with("tasks", Shape::Any)
        .with(
            "env",
            names(&mut env.iter().map(|name| name.value.as_str())),
        )
}

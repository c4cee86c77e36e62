//! The tasks of a pipeline, read one by one.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::files::{Files, View};
use super::graph::Graph;
use super::params::Params;
use super::pipeline::{Context, Foreach, TaskSpec};
use super::settings::check_pool;
use super::task::{Condition, DefaultsRecord, TaskHead, check_retry, retry_policy};
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned, Value};
use crate::model::Task;
use crate::secret::Environment;
use crate::task::Surroundings;
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
    pub report: &'a mut Report,
}

impl Reading<'_, '_> {
    /// Reads what is particular to a task: its templates and the part of its kind.
    pub fn task(
        &mut self,
        head: &TaskHead,
        at: usize,
    ) -> Option<(Task, TaskSpec, BTreeSet<String>)> {
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
pub fn base_scope(params: &Params, env: &[Spanned<String>]) -> Shape {
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

//! Runs another DAG.

use async_trait::async_trait;
use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::{
    AttemptContext, Child, Metrics, Surroundings, Task, TaskFailure, TaskKind, TaskOutput,
    TaskResult, WantedRun,
};
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::model::{DagId, RunState};
use crate::template::TemplateValue;

pub(super) const KIND: TaskKind = TaskKind {
    name: "dag",
    doc: DOC,
    example: include_str!("dag/example.yaml"),
    schema,
    parse,
};

const DOC: &str = "\
Runs another DAG, for the same data interval, and waits for its end: a plain text is its name. It is a run of its \
own, which `runner runs` shows; `outputs.run` is its id.

All attempts of the task find the same run: whatever is killed when, there is one. When it fails so does the task, \
and isn't tried again: the tasks of the other DAG have retries of their own. When the task is cancelled, or its `timeout` is \
over, the run is cancelled. While it waits, the task takes no slots of a pool and doesn't count for `max_active_tasks`.";

crate::record! {
    /// A run of another DAG. A plain text is the name of the DAG.
    struct Definition as "a `dag`" {
        /// The DAG.
        run: Spanned<String>,
        /// Its parameters; those that aren't here have their defaults.
        params: Map<Node>,
        /// Whether the task waits for the end of the run, and fails when it does.
        wait: bool = "true" => true,
    }
}

fn schema() -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, Definition::schema()] })
}

/// A checked run of another DAG.
#[derive(Debug)]
struct DagTask {
    dag: DagId,
    child: Child,
    params: Vec<(String, TemplateValue)>,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let definition = match node.as_text() {
        Some(name) => Definition {
            span: node.span,
            run: Spanned::new(name.to_owned(), node.span),
            params: Map::default(),
            wait: true,
        },
        None if node.as_map().is_some() => Definition::from_node(node, surroundings.report)?,
        None => {
            let expected = "the name of a DAG, or a map with `run`";
            surroundings.report.expected(expected, node);
            return None;
        }
    };
    let dag = DagId::new(&definition.run);
    if let Err(error) = &dag {
        surroundings.report.push(
            Diagnostic::error(
                "invalid-name",
                format!(
                    "`{}` isn't the name of a DAG: {error}",
                    definition.run.value
                ),
                definition.run.span,
            )
            .help("it is fixed: a template can't stand here"),
        );
    }
    let mut params = Vec::new();
    let mut told = Vec::new();
    let mut fine = true;
    for (name, value) in definition.params.0 {
        let Some(read) = surroundings.template_value(&value) else {
            fine = false;
            continue;
        };
        let literal = match &read {
            TemplateValue::Literal(literal) => Some(Spanned::new(literal.clone(), value.span)),
            _ => None,
        };
        params.push((name.value.clone(), read));
        told.push((name, literal));
    }
    let task = DagTask {
        dag: dag.ok()?,
        child: Child {
            dag: definition.run,
            params: told,
            wait: definition.wait,
        },
        params,
    };
    fine.then(|| Box::new(task) as Box<dyn Task>)
}

#[async_trait]
impl Task for DagTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        let params: Result<_, TaskFailure> = self
            .params
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.evaluate(&attempt.scope)?)))
            .collect();
        let wanted = WantedRun {
            parent: attempt.id.run.clone(),
            key: attempt.idempotency_key(),
            dag: self.dag.clone(),
            params: params?,
            again: attempt.id.number > 1,
        };
        let run = attempt.runs.begin(wanted).await?;
        let dag = &self.dag;
        let mut output = TaskOutput {
            outputs: std::iter::once(("run".to_owned(), Json::from(run.as_str()))).collect(),
            metrics: Metrics {
                summary: Some(format!("run {run}")),
                ..Metrics::default()
            },
            ..TaskOutput::default()
        };
        if !self.child.wait {
            attempt.log.info(format!("began run {run} of `{dag}`"));
            return Ok(output);
        }
        attempt
            .log
            .info(format!("waiting for run {run} of `{dag}`"));
        let end = attempt.runs.end(&run);
        tokio::pin!(end);
        let end = tokio::select! {
            end = &mut end => end,
            () = attempt.cancel.cancelled() => {
                attempt.log.info(format!("cancelling run {run}"));
                attempt.runs.cancel(&run);
                end.await
            }
        };
        match end.state {
            RunState::Success => {
                output
                    .outputs
                    .insert("state".to_owned(), end.state.as_str().into());
                Ok(output)
            }
            RunState::Cancelled => Err(TaskFailure::permanent(format!(
                "run {run} of `{dag}` was cancelled"
            ))),
            _ => {
                let cause = end.cause.map(|cause| format!(": {cause}"));
                let mut message =
                    format!("run {run} of `{dag}` failed{}", cause.unwrap_or_default());
                // A cause that lies deeper has said already where to look.
                if !message.contains("`runner show ") {
                    message.push_str(&format!("; `runner show {run}` shows it"));
                }
                Err(TaskFailure::permanent(message))
            }
        }
    }

    fn child(&self) -> Option<&Child> {
        Some(&self.child)
    }
}

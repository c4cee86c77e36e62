//! The values that the templates of a run see.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::SecondsFormat;
use serde_json::{Map as JsonMap, Value as Json, json};

use crate::data::{DatasetInfo, DatasetReader};
use crate::engine::Prepared;
use crate::model::{
    AttemptResult, FailureCause, FailureKind, Json as JsonText, Outcome, RunSpec, TaskId,
    TaskIndex, TaskRunId, Timestamp, TriggerKind,
};
use crate::secret::Environment;
use crate::spec::{Ending, Foreach, Hook, Pipeline};
use crate::template::Scope;

/// More items in a `foreach` are surely a mistake.
const MAX_ITEMS: usize = 100_000;

/// A run's values: what it was given, and what its tasks have left so far.
pub struct RunValues {
    base: Scope,
    /// `run` in it.
    run: Json,
    /// Results of finished task runs, by task and item.
    results: HashMap<TaskIndex, BTreeMap<Option<u32>, AttemptResult>>,
    items: HashMap<TaskIndex, Vec<JsonText>>,
    /// How tasks have ended; kept only where hooks ask for it.
    ends: BTreeMap<TaskIndex, Outcome>,
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn parsed(text: &JsonText) -> Json {
    serde_json::from_str(&text.0).unwrap_or(Json::Null)
}

/// The word for what made a run.
#[must_use]
pub fn trigger_word(trigger: &TriggerKind) -> &'static str {
    match trigger {
        TriggerKind::Manual => "manual",
        TriggerKind::Schedule => "schedule",
        TriggerKind::Backfill => "backfill",
        TriggerKind::After { .. } => "after",
        TriggerKind::Dag { .. } => "dag",
        TriggerKind::Event { .. } => "event",
    }
}

impl RunValues {
    /// The values of a run that has just been accepted.
    #[must_use]
    pub fn new(run: &RunSpec) -> Self {
        let mut run_values = json!({
            "id": run.id.as_str(),
            "dag": run.dag.as_str(),
            "data_interval": { "start": time(run.interval.start), "end": time(run.interval.end) },
            "logical_time": time(run.logical_time),
            "trigger": trigger_word(&run.trigger),
        });
        if let TriggerKind::Event { detail, .. } = &run.trigger {
            run_values["firing"] = parsed(detail);
        }
        let base = Scope::default()
            .with("params", &parsed(&run.params))
            .with("run", &run_values);
        Self {
            base,
            results: HashMap::new(),
            items: HashMap::new(),
            ends: BTreeMap::new(),
            run: run_values,
        }
    }

    /// What messages about the run see of it; `took` is how long it has taken.
    pub fn for_messages(&self, took: &str) -> Scope {
        let mut scope = self.base.clone();
        let mut run = self.run.clone();
        run["took"] = took.into();
        scope.set("run", &run);
        scope
    }

    /// A task ended, as a whole.
    pub fn ended(&mut self, task: TaskIndex, outcome: Outcome) {
        self.ends.insert(task, outcome);
    }

    /// A task run succeeded.
    pub fn finished(&mut self, id: TaskRunId, result: AttemptResult) {
        let results = self.results.entry(id.task).or_default();
        results.insert(id.item, result);
    }

    /// A task begins anew: what it left before is of the past.
    pub fn forget(&mut self, task: TaskIndex) {
        self.results.remove(&task);
        self.ends.remove(&task);
    }

    /// A `foreach` became items.
    pub fn expanded(&mut self, task: TaskIndex, items: Vec<JsonText>) {
        self.items.insert(task, items);
    }

    /// What an attempt's templates see.
    pub fn scope(&self, pipeline: &Pipeline, id: TaskRunId, environment: &Environment) -> Scope {
        let spec = &pipeline.tasks[id.task.get()];
        let mut scope = self.base.clone();
        if !spec.reads.is_empty() {
            let tasks: JsonMap<String, Json> = spec
                .reads
                .iter()
                .map(|task| (pipeline.dag.task(*task).id.to_string(), self.outputs(*task)))
                .collect();
            scope.set("tasks", &Json::Object(tasks));
        }
        if !spec.env.is_empty() {
            let env: JsonMap<String, Json> = spec
                .env
                .iter()
                .filter_map(|name| Some((name.clone(), environment.get(name)?.into())))
                .collect();
            scope.set("env", &Json::Object(env));
        }
        if let Some(item) = id.item
            && let Some(value) = self
                .items
                .get(&id.task)
                .and_then(|items| items.get(item as usize))
        {
            scope.set("item", &parsed(value));
        }
        if let Some(hook) = &spec.hook {
            self.add_ends(pipeline, hook, &mut scope);
        }
        scope
    }

    /// `task` and `failed`, for hooks.
    fn add_ends(&self, pipeline: &Pipeline, hook: &Hook, scope: &mut Scope) {
        let name = |task: TaskIndex| pipeline.dag.task(task).id.as_str();
        let failed = |(task, cause): (TaskIndex, &FailureCause)| json!({ "id": name(task), "error": &*cause.message });
        match (hook.on, hook.of) {
            (Ending::Success, Some(task)) => scope.set("task", &json!({ "id": name(task) })),
            (Ending::Success, None) => {}
            (Ending::Failure, Some(of)) => {
                let own = self.failures(pipeline).find(|(task, _)| *task == of);
                if let Some(own) = own {
                    scope.set("task", &failed(own));
                }
            }
            (Ending::Failure, None) => {
                let all: Vec<Json> = self.failures(pipeline).map(failed).collect();
                let first = all.first().cloned();
                scope.set(
                    "task",
                    &first.unwrap_or_else(|| json!({ "id": "", "error": "" })),
                );
                scope.set("failed", &Json::Array(all));
            }
        }
    }

    /// The tasks that failed themselves, hooks apart.
    fn failures<'a>(
        &'a self,
        pipeline: &'a Pipeline,
    ) -> impl Iterator<Item = (TaskIndex, &'a FailureCause)> {
        self.ends
            .iter()
            .filter_map(|(task, outcome)| match outcome {
                Outcome::Failed(cause) if pipeline.tasks[task.get()].hook.is_none() => {
                    Some((*task, cause))
                }
                _ => None,
            })
    }

    /// Whether what a hook waits for has happened.
    fn calls(&self, pipeline: &Pipeline, hook: &Hook) -> bool {
        let Some(of) = hook.of else {
            let forgiven = |task: TaskIndex| pipeline.dag.task(task).continue_on_failure;
            let fails = self.ends.iter().any(|(task, outcome)| match outcome {
                Outcome::Failed(_) => !forgiven(*task),
                Outcome::UpstreamFailed | Outcome::Cancelled => true,
                Outcome::Success | Outcome::Skipped => false,
            });
            return fails == (hook.on == Ending::Failure);
        };
        matches!(
            (hook.on, self.ends.get(&of)),
            (Ending::Failure, Some(Outcome::Failed(_))) | (Ending::Success, Some(Outcome::Success))
        )
    }

    /// `{ outputs: … }` of a task: a map for a plain task, a list of maps for a `foreach`.
    fn outputs(&self, task: TaskIndex) -> Json {
        let Some(results) = self.results.get(&task) else {
            return json!({ "outputs": {} });
        };
        let of = |result: &AttemptResult| match parsed(&result.outputs) {
            Json::Null => json!({}),
            outputs => outputs,
        };
        let items: Vec<Json> = results
            .iter()
            .filter(|(item, _)| item.is_some())
            .map(|(_, result)| of(result))
            .collect();
        if self.items.contains_key(&task) {
            return json!({ "outputs": items });
        }
        json!({ "outputs": results.get(&None).map_or_else(|| json!({}), of) })
    }

    /// The datasets that a task reads, by the task that left them.
    pub fn datasets(
        &self,
        pipeline: &Pipeline,
        task: TaskIndex,
    ) -> Arc<BTreeMap<TaskId, Vec<DatasetInfo>>> {
        let reads = &pipeline.tasks[task.get()].reads;
        let found = reads
            .iter()
            .map(|task| (pipeline.dag.task(*task).id.clone(), self.datasets_of(*task)));
        Arc::new(found.collect())
    }

    fn datasets_of(&self, task: TaskIndex) -> Vec<DatasetInfo> {
        let results = self.results.get(&task).into_iter().flatten();
        results
            .filter_map(|(_, result)| result.dataset.as_ref())
            .filter_map(|dataset| serde_json::from_str(&dataset.0).ok())
            .collect()
    }

    /// What a task with `if` or `foreach` becomes.
    pub async fn prepare(
        &self,
        pipeline: &Pipeline,
        task: TaskIndex,
        environment: &Environment,
        state_folder: &std::path::Path,
    ) -> Prepared {
        let spec = &pipeline.tasks[task.get()];
        if spec
            .hook
            .as_ref()
            .is_some_and(|hook| !self.calls(pipeline, hook))
        {
            return Prepared::Skip;
        }
        let scope = self.scope(pipeline, TaskRunId { task, item: None }, environment);
        let fail =
            |message: String| Prepared::Fail(FailureCause::new(FailureKind::Permanent, message));
        if let Some(condition) = &spec.condition {
            match condition.is_true(&scope) {
                Ok(true) => {}
                Ok(false) => return Prepared::Skip,
                Err(error) => {
                    return fail(format!("`if: {}` fails: {error}", condition.source()));
                }
            }
        }
        let items = match &spec.foreach {
            None => return Prepared::Run,
            Some(Foreach::Value(value)) => match value.evaluate(&scope) {
                Ok(Json::Array(items)) => items,
                Ok(other) => {
                    return fail(format!("`foreach` runs over a list, this is `{other}`"));
                }
                Err(error) => return fail(format!("`foreach` fails: {error}")),
            },
            Some(Foreach::Dataset(from)) => {
                let Some(from) = pipeline.dag.index_of(from.as_str()) else {
                    return fail(format!("task `{from}` doesn't exist"));
                };
                match rows(state_folder, &self.datasets_of(from)).await {
                    Ok(items) => items,
                    Err(message) => return fail(format!("`foreach` fails: {message}")),
                }
            }
        };
        if items.len() > MAX_ITEMS {
            return fail(format!(
                "`foreach` has {} items, at most {MAX_ITEMS} are allowed",
                items.len()
            ));
        }
        let text = |item: Json| JsonText(item.to_string().into());
        Prepared::Items(items.into_iter().map(text).collect())
    }
}

/// The rows of datasets as objects.
async fn rows(
    state_folder: &std::path::Path,
    datasets: &[DatasetInfo],
) -> Result<Vec<Json>, String> {
    use crate::data::RecordSource as _;
    let mut rows = Vec::new();
    let mut reader = DatasetReader::open(state_folder, datasets)
        .await
        .map_err(|error| error.to_string())?;
    while let Some(batch) = reader.next().await.map_err(|error| error.to_string())? {
        for row in 0..batch.rows() {
            rows.push(Json::Object(batch.row_as_json(row)));
        }
        if rows.len() > MAX_ITEMS {
            break;
        }
    }
    Ok(rows)
}

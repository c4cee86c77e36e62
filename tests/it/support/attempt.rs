//! One attempt of one task, in a project of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use runner::connection::{Connections, Dialect, Places};
use runner::data::DatasetInfo;
use runner::document::{Diagnostic, Report, Severity, SourceId};
use runner::model::{AttemptId, DagId, RunId, TaskId, TaskIndex, TaskRunId, Timestamp};
use runner::secret::Masker;
use runner::task::{
    AttemptContext, GraphView, Log, Progress, ProjectView, Surroundings, Task, TaskKind, TaskResult,
};
use runner::template::{Scope, Shape};
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::document::Document;

/// A project in a temporary folder, and an attempt in it. The folder goes with the last clone.
#[derive(Clone)]
pub struct Attempt {
    folder: Arc<TempDir>,
    pub id: AttemptId,
    /// What its templates see.
    pub scope: Map<String, Json>,
    pub connections: Connections,
    pub datasets: BTreeMap<TaskId, Vec<DatasetInfo>>,
    pub secrets: Vec<String>,
    /// Bytes that its log takes.
    pub log_limit: u64,
    pub cancel: CancellationToken,
}

impl Attempt {
    /// The first attempt of `dag/task`, with empty `params` and the interval of a day.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("run").tempdir().unwrap();
        let run = folder.path().file_name().unwrap().to_str().unwrap();
        let interval = json!({ "start": "2026-08-20T00:00:00Z", "end": "2026-08-21T00:00:00Z" });
        let scope = json!({
            "params": {},
            "run": { "id": run, "dag": "dag", "data_interval": interval },
            "tasks": {},
            "env": {},
        });
        let Json::Object(scope) = scope else {
            unreachable!()
        };
        Self {
            id: AttemptId {
                run: RunId::new(run).unwrap(),
                task_run: TaskRunId {
                    task: TaskIndex(0),
                    item: None,
                },
                generation: 0,
                number: 1,
                fence: 1,
            },
            folder: Arc::new(folder),
            scope,
            connections: Connections::default(),
            datasets: BTreeMap::new(),
            secrets: Vec::new(),
            log_limit: 1 << 20,
            cancel: CancellationToken::new(),
        }
    }

    /// With a value in scope, such as `params`.
    pub fn with(mut self, name: &str, value: Json) -> Self {
        self.scope.insert(name.to_owned(), value);
        self
    }

    /// As the attempt for one item of a `foreach`.
    pub fn item(mut self, index: u32, item: Json) -> Self {
        self.id.task_run.item = Some(index);
        self.with("item", item)
    }

    /// As the n-th attempt of the same task run.
    pub fn number(mut self, number: u32) -> Self {
        self.id.number = number;
        self.id.fence = number.into();
        self
    }

    /// With a text that must not be seen.
    pub fn secret(mut self, text: &str) -> Self {
        self.secrets.push(text.to_owned());
        self
    }

    /// With a file in the project.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the attempt gets; every call gives a new log handle and no progress.
    pub fn context(&self) -> AttemptContext {
        let clock: runner::task::Clock = Arc::new(now);
        let masker = Masker::new(self.secrets.iter().map(String::as_str));
        let log = self.folder().join(".runner/log.txt");
        let scope = self
            .scope
            .iter()
            .fold(Scope::default(), |scope, (name, value)| {
                scope.with(name, value)
            });
        AttemptContext {
            id: self.id.clone(),
            dag: DagId::new("dag").unwrap(),
            task: TaskId::new("task").unwrap(),
            scope,
            connections: Arc::new(self.connections.clone()),
            places: Arc::new(Places {
                root: self.folder().to_owned(),
                state: self.folder().join(".runner"),
                executable: "runner".into(),
            }),
            datasets: Arc::new(self.datasets.clone()),
            log: Log::new(log, self.log_limit, masker, Arc::clone(&clock)),
            progress: Arc::new(Progress::default()),
            cancel: self.cancel.clone(),
            clock,
            runs: runner::daemon::no_runs(),
            traceparent: None,
        }
    }

    /// Reads the task that `value` describes.
    pub fn parse(&self, kind: &TaskKind, value: &Json) -> Parsed {
        let document = Document::new(value);
        let params: Vec<String> = self.scope["params"]
            .as_object()
            .map(|params| params.keys().cloned().collect())
            .unwrap_or_default();
        let tasks: Vec<String> = self.datasets.keys().map(TaskId::to_string).collect();
        let mut report = Report::default();
        let task = (kind.parse)(
            &document.node,
            &mut Surroundings {
                report: &mut report,
                project: &mut Project(self, &document.text),
                task: &TaskId::new("task").unwrap(),
                scope: &shape(&Json::Object(self.scope.clone()), 0),
                params: &params,
                graph: &Graph(tasks),
                reads: std::collections::BTreeSet::new(),
            },
        );
        let diagnostics = report.into_diagnostics();
        // As a pipeline with mistakes isn't run, whatever could be read of it.
        let fine = diagnostics
            .iter()
            .all(|one| one.severity != Severity::Error);
        Parsed {
            task: task.filter(|_| fine),
            diagnostics,
            document,
        }
    }

    /// Reads a task that must be right, and runs it.
    pub async fn run(&self, kind: &TaskKind, value: &Json) -> TaskResult {
        self.parse(kind, value).task().run(&self.context()).await
    }

    /// The log without its times.
    pub fn log(&self) -> Vec<String> {
        let path = self.folder().join(".runner/log.txt");
        let bytes = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect()
    }
}

/// A task that was read, and what was found.
pub struct Parsed {
    pub task: Option<Box<dyn Task>>,
    pub diagnostics: Vec<Diagnostic>,
    pub document: Document,
}

impl Parsed {
    /// The task, when nothing was found.
    #[track_caller]
    pub fn task(self) -> Box<dyn Task> {
        assert_eq!(self.messages(), "");
        self.task.unwrap()
    }

    /// What was found: message, place, label and help, a line each.
    pub fn messages(&self) -> String {
        let mut text = String::new();
        for found in &self.diagnostics {
            text.push_str(&format!(
                "{}[{}]: {}\n",
                severity(found),
                found.code,
                found.message
            ));
            let place = self.document.at(found.primary.span);
            text.push_str(&format!("  at {place}: {}\n", found.primary.text));
            if let Some(help) = &found.help {
                text.push_str(&format!("  help: {help}\n"));
            }
        }
        text
    }
}

fn severity(diagnostic: &Diagnostic) -> String {
    format!("{:?}", diagnostic.severity).to_lowercase()
}

/// The tests' clock stands still.
pub fn now() -> Timestamp {
    "2026-08-21T00:00:00Z".parse().unwrap()
}

/// What is known before a run: the names, but nothing about the values of parameters.
fn shape(value: &Json, depth: usize) -> Shape {
    match value {
        Json::Object(entries) if depth < 3 => {
            entries.iter().fold(Shape::empty(), |known, (name, value)| {
                known.with(name, shape(value, depth + 1))
            })
        }
        _ => Shape::Any,
    }
}

/// The tasks that come before.
struct Graph(Vec<String>);

impl GraphView for Graph {
    fn is_task(&self, name: &str) -> bool {
        self.is_upstream(name)
    }
    fn is_upstream(&self, name: &str) -> bool {
        self.0.iter().any(|task| task == name)
    }
    fn upstream(&self) -> Vec<String> {
        self.0.clone()
    }
    fn tasks(&self) -> Vec<String> {
        self.0.clone()
    }
}

struct Project<'a>(&'a Attempt, &'a str);

impl ProjectView for Project<'_> {
    fn connection_kind(&self, name: &str) -> Option<&'static str> {
        Some(self.0.connections.get(name)?.kind())
    }
    fn dialect(&self, name: &str) -> Option<Dialect> {
        Some(self.0.connections.database(name)?.dialect())
    }
    fn connection_names(&self) -> Vec<&str> {
        self.0
            .connections
            .iter()
            .map(|(id, _)| id.as_str())
            .collect()
    }
    fn read_code(&mut self, path: &Path) -> Result<(SourceId, Arc<str>), String> {
        let text = std::fs::read_to_string(self.0.folder().join(path));
        let text = text.map_err(|error| error.to_string())?;
        Ok((SourceId(1), text.into()))
    }
    fn source_text(&self, source: SourceId) -> Option<Arc<str>> {
        (source == SourceId(0)).then(|| self.1.into())
    }
    fn exists(&self, path: &Path) -> bool {
        self.0.folder().join(path).exists()
    }
    fn siblings(&self, path: &Path) -> Vec<String> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let Ok(entries) = std::fs::read_dir(self.0.folder().join(folder)) else {
            return Vec::new();
        };
        entries
            .map(|entry| {
                folder
                    .join(entry.unwrap().file_name())
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }
}

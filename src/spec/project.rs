//! A whole project: `runner.yaml` and every file in `pipelines/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Origin};
use super::pipeline::{Context, Pipeline, read_pipeline};
use super::settings::{Settings, read_settings};
use super::version::PROFILE;
use super::yaml::read_yaml;
use crate::connection::Places;
use crate::document::{Diagnostic, Report, Severity, Sources, Span};
use crate::model::DagId;
use crate::secret::Environment;
use crate::store::DagVersion;

/// The project's file.
pub const SETTINGS_FILE: &str = "runner.yaml";
/// The folder of the pipelines.
pub const PIPELINES_FOLDER: &str = "pipelines";

/// A project without mistakes in what it holds; files with mistakes are in [`Loaded::broken`].
#[derive(Debug)]
pub struct Project {
    pub places: Arc<Places>,
    pub environment: Arc<Environment>,
    pub settings: Settings,
    pub pipelines: BTreeMap<DagId, Arc<Pipeline>>,
}

/// What reading a project gave.
#[derive(Debug)]
pub struct Loaded {
    /// `None` when `runner.yaml` has mistakes.
    pub project: Option<Project>,
    /// The pipeline files that have mistakes, with the name of the DAG where it could be read.
    pub broken: Vec<(PathBuf, Option<String>)>,
    /// Everything that was found, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl Loaded {
    /// Whether anything is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads the project in `places.root`. Nothing is opened and nothing is run.
#[must_use]
pub fn load(places: &Arc<Places>, profile: Option<&str>, environment: Environment) -> Loaded {
    let mut files = Files::new(Origin::Disk(&places.root));
    let mut report = Report::default();
    let environment = Arc::new(with_dotenv(environment, &mut files, &mut report));
    let settings = load_settings(places, profile, &environment, &mut files, &mut report);
    let mut broken = Vec::new();
    let mut pipelines: BTreeMap<DagId, Arc<Pipeline>> = BTreeMap::new();
    let paths = pipeline_paths(&places.root);
    if paths.is_empty() && settings.is_some() {
        let source = files.sources.add(Path::new(PIPELINES_FOLDER), "");
        report.push(
            Diagnostic::warning(
                "no-pipelines",
                "there is no pipeline in `pipelines/`",
                Span::new(source, 0..0),
            )
            .help("`runner init` makes a project that runs"),
        );
    }
    // With a broken `runner.yaml` every connection would be unknown: one mistake, not hundreds.
    for path in paths.iter().filter(|_| settings.is_some()) {
        let Some(settings) = &settings else { break };
        let context = Context {
            settings,
            environment: &environment,
        };
        let Some(pipeline) = read_pipeline(path, &mut files, &context, &mut report) else {
            broken.push((path.clone(), dag_name(&files, path)));
            continue;
        };
        if let Some(first) = pipelines.get(&pipeline.id) {
            let name = pipeline.id.clone();
            let source = |path: &Path| {
                files
                    .sources
                    .iter()
                    .find(|(_, source)| source.path == path)
                    .map(|(id, _)| Span::new(id, 0..0))
            };
            if let (Some(here), Some(there)) = (source(path), source(&first.path)) {
                report.push(
                    Diagnostic::error("duplicate-dag", format!("two files are DAG `{name}`"), here)
                        .related(there, "first here")
                        .help("give one of them another name"),
                );
            }
            broken.push((path.clone(), Some(name.to_string())));
            continue;
        }
        pipelines.insert(pipeline.id.clone(), Arc::new(pipeline));
    }
    Loaded {
        project: settings.map(|settings| Project {
            places: places.clone(),
            environment,
            settings,
            pipelines,
        }),
        broken,
        diagnostics: in_order(report.into_diagnostics()),
        sources: files.sources,
    }
}

impl Project {
    /// Reads a kept version of a DAG: what its runs are pinned to. Connections are today's.
    ///
    /// # Errors
    /// The first thing that doesn't fit this project any more, with the name of its file.
    pub fn pinned(&self, version: &DagVersion) -> Result<Arc<Pipeline>, String> {
        if let Some(current) = self.pipelines.get(&version.dag)
            && current.version.hash == version.hash
        {
            return Ok(current.clone());
        }
        let mut report = Report::default();
        let mut files = Files::new(Origin::Kept(&version.files));
        let profile = version.files.get(PROFILE).map(String::as_str);
        let kept = load_settings(
            &self.places,
            profile,
            &self.environment,
            &mut files,
            &mut report,
        );
        let settings = kept.map(|kept| Settings {
            connections: self.settings.connections.clone(),
            limits: self.settings.limits.clone(),
            ..kept
        });
        let mut report = Report::default();
        let pipeline = settings.and_then(|settings| {
            let context = Context {
                settings: &settings,
                environment: &self.environment,
            };
            let path = version
                .files
                .keys()
                .map(Path::new)
                .find(|path| path.starts_with(PIPELINES_FOLDER) && is_yaml(path))?;
            read_pipeline(path, &mut files, &context, &mut report)
        });
        pipeline.map(Arc::new).ok_or_else(|| {
            let first = report
                .into_diagnostics()
                .into_iter()
                .find(|diagnostic| diagnostic.severity == Severity::Error);
            match first {
                Some(diagnostic) => {
                    let source = files.sources.get(diagnostic.primary.span.source);
                    format!("{}: {}", source.path.display(), diagnostic.message)
                }
                None => "its definition can't be read any more".to_owned(),
            }
        })
    }
}

/// In the order of the files, each mistake once: pipelines may share a file.
fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| {
        let span = diagnostic.primary.span;
        (span.source, span.start)
    });
    diagnostics.dedup();
    diagnostics
}

fn with_dotenv(
    mut environment: Environment,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Environment {
    let path = Path::new(".env");
    let Origin::Disk(root) = files.origin else {
        return environment;
    };
    if !root.join(path).is_file() {
        return environment;
    }
    if let Some((source, text)) = files.read_or_report(path, report)
        && let Err((line, message)) = environment.add_dotenv(&text)
    {
        let start: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        // The line may hold a secret: only its beginning is shown.
        report.push(Diagnostic::error(
            "invalid-value",
            format!("`.env` line {line}: {message}"),
            Span::new(source, start..start),
        ));
    }
    environment
}

fn load_settings(
    places: &Arc<Places>,
    profile: Option<&str>,
    environment: &Environment,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<Settings> {
    let path = Path::new(SETTINGS_FILE);
    let exists = match &files.origin {
        Origin::Disk(root) => root.join(path).exists(),
        Origin::Kept(kept) => kept.contains_key(SETTINGS_FILE),
    };
    if !exists {
        return read_settings(None, profile, places, environment, report);
    }
    let (source, text) = files.read_or_report(path, report)?;
    let before = report.diagnostics().len();
    let node = read_yaml(source, &text, report)?;
    let settings = read_settings(Some(&node), profile, places, environment, report);
    let fine = report.diagnostics()[before..]
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    settings.filter(|_| fine)
}

/// Every YAML file below `pipelines/`, sorted.
fn pipeline_paths(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(PIPELINES_FOLDER)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = folder.join(entry.file_name());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !hidden => folders.push(path),
                Ok(_) if is_yaml(&path) && !hidden => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The name of a DAG whose file has mistakes, if that much can be read.
fn dag_name(files: &Files<'_>, path: &Path) -> Option<String> {
    let (id, source) = files
        .sources
        .iter()
        .find(|(_, source)| source.path == path)?;
    let node = read_yaml(id, &source.text, &mut Report::default())?;
    node.get("dag")?.as_text().map(str::to_owned)
}

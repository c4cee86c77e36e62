//! A whole project: `runner.yaml` and every file in `pipelines/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::advice::{warn_of_no_deadline, warn_of_unknown_params};
use super::after::{Links, resolve};
use super::children;
use super::connections::Around;
use super::dotenv::with_dotenv;
use super::files::{Files, Origin};
use super::pipeline::Pipeline;
use super::pipeline_files::{is_yaml, pipeline_paths, read_all};
use super::read_pipeline::{Context, read_pipeline};
use super::settings::{Settings, read_settings};
use super::tables;
use super::version::PROFILE;
use super::yaml::read_yaml;
use crate::connection::Places;
use crate::document::{Diagnostic, Report, Severity, Sources, Span, Spanned};
use crate::model::DagId;
use crate::secret::Environment;
use crate::store::DagVersion;
use crate::task::Guarantee;

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
    /// What is worth knowing of the pipelines without mistakes: where a guarantee is weaker.
    #[must_use]
    pub fn notes(&self) -> Vec<Diagnostic> {
        let pipelines = self
            .project
            .iter()
            .flat_map(|project| project.pipelines.values());
        let tasks = pipelines.flat_map(|pipeline| &pipeline.tasks);
        let notes = tasks.filter_map(|task| match task.action.guarantee() {
            Guarantee::ExactlyOnce => None,
            Guarantee::AtLeastOnce { reason } => Some(
                Diagnostic::note(
                    "at-least-once",
                    format!("task `{}` may act more than once", task.id),
                    task.place,
                )
                .help(reason),
            ),
        });
        in_order(notes.collect(), &self.sources)
    }

    /// Adds what was found later.
    pub fn add(&mut self, found: Vec<Diagnostic>) {
        let mut all = std::mem::take(&mut self.diagnostics);
        all.extend(found);
        self.diagnostics = in_order(all, &self.sources);
    }

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
    let mut links: Vec<Links> = Vec::new();
    let mut all_there = true;
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
    let mut names: BTreeMap<String, Spanned<String>> = BTreeMap::new();
    // When `runner.yaml` can't be read at all, every connection would be unknown: one mistake, not
    // hundreds.
    let all = match &settings {
        Some((settings, _)) => {
            let context = Context {
                settings,
                environment: &environment,
            };
            read_all(&paths, &mut files, &context, &mut report)
        }
        None => Vec::new(),
    };
    if settings.is_none() {
        broken.extend(paths.iter().map(|path| (path.clone(), None)));
    }
    for (path, read) in paths.iter().zip(all) {
        let name = read.name.as_ref().map(|name| name.value.clone());
        match &read.name {
            Some(dag) => links.push(Links {
                dag: dag.clone(),
                after: read.after,
                writes: read.writes,
            }),
            None => all_there = false,
        }
        let unique = read
            .name
            .is_none_or(|name| is_new(name, &mut names, &mut report));
        match read.pipeline {
            Some(pipeline) if unique => {
                pipelines.insert(pipeline.id.clone(), pipeline);
            }
            _ => broken.push((path.clone(), name)),
        }
    }
    let mut wrong = resolve(&links, all_there, &mut pipelines, &mut report);
    let found = children::check(&links, all_there, &pipelines, &mut report);
    wrong.extend(found);
    for dag in wrong {
        if let Some(pipeline) = pipelines.remove(dag.as_str()) {
            broken.push((pipeline.path.clone(), Some(dag)));
        }
    }
    for (dag, misfit) in tables::misfits(&pipelines) {
        report.push(misfit);
        if let Some(pipeline) = pipelines.remove(&dag) {
            broken.push((pipeline.path.clone(), Some(dag.to_string())));
        }
    }
    if let Some((settings, _)) = &settings {
        warn_of_unknown_params(settings, &pipelines, &broken, &mut report);
        warn_of_no_deadline(settings, &pipelines, &broken, &mut report);
    }
    Loaded {
        project: settings
            .filter(|(_, fine)| *fine)
            .map(|(settings, _)| Project {
                places: places.clone(),
                environment,
                settings,
                pipelines,
            }),
        broken,
        diagnostics: in_order(report.into_diagnostics(), &files.sources),
        sources: files.sources,
    }
}

/// Whether no other file is the DAG of this name.
fn is_new(
    name: Spanned<String>,
    names: &mut BTreeMap<String, Spanned<String>>,
    report: &mut Report,
) -> bool {
    let Some(first) = names.get(&name.to_lowercase()) else {
        names.insert(name.to_lowercase(), name);
        return true;
    };
    let same = first.value == name.value;
    let diagnostic = if same {
        Diagnostic::error(
            "duplicate-dag",
            format!("two files are DAG `{}`", name.value),
            name.span,
        )
        .label("give it another name")
    } else {
        Diagnostic::warning(
            "similar-names",
            format!(
                "only case tells DAG `{}` and `{}` apart",
                name.value, first.value
            ),
            name.span,
        )
        .label("easily taken for the other")
    };
    report.push(diagnostic.related(first.span, "first here"));
    !same
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
        let profile = version.files.get(PROFILE).map(|name| &**name);
        let kept = load_settings(
            &self.places,
            profile,
            &self.environment,
            &mut files,
            &mut report,
        );
        // Of the kept file only what holds for tasks counts: its connections may be of the past.
        let settings = kept.map(|(kept, _)| Settings {
            connections: self.settings.connections.clone(),
            limits: self.settings.limits.clone(),
            notifications: self.settings.notifications.clone(),
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
            read_pipeline(path, &mut files, &context, &mut report).pipeline
        });
        pipeline.ok_or_else(|| {
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
fn in_order(mut diagnostics: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    for diagnostic in &mut diagnostics {
        let places = diagnostic.related.iter_mut();
        for label in places.chain([&mut diagnostic.primary]) {
            label.span.source = sources.known_as(label.span.source);
        }
        // What is missing at the end of a file is missing behind its last word.
        let span = &mut diagnostic.primary.span;
        let end = sources.get(span.source).text.trim_end().len();
        if span.range().start > end {
            *span = Span::new(span.source, end..end);
        }
    }
    diagnostics.sort_by_key(|diagnostic| {
        let span = diagnostic.primary.span;
        (span.source, span.start)
    });
    diagnostics.dedup();
    diagnostics
}

/// Reads `runner.yaml`: the settings, and whether they have no mistakes.
fn load_settings(
    places: &Arc<Places>,
    profile: Option<&str>,
    environment: &Environment,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<(Settings, bool)> {
    let path = Path::new(SETTINGS_FILE);
    let exists = match &files.origin {
        Origin::Disk(root) => root.join(path).exists(),
        Origin::Kept(kept) => kept.contains_key(SETTINGS_FILE),
    };
    let around = Around {
        places,
        environment,
    };
    let before = report.diagnostics().len();
    let settings = if exists {
        let (source, text) = files.read_or_report(path, report)?;
        let node = read_yaml(source, &text, report)?;
        read_settings(Some(&node), profile, &around, files, report)
    } else {
        read_settings(None, profile, &around, files, report)
    };
    let fine = report.diagnostics()[before..]
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    settings.map(|settings| (settings, fine))
}

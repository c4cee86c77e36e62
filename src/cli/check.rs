//! `runner check`: every mistake, before anything runs.

use std::io::Write as _;

use super::arguments::{Check, Format};
use super::context::{Context, runtime, unknown};
use super::{exit, look};
use crate::daemon::clock::clock;
use crate::document::{Diagnostic, Severity};
use crate::model::DagId;
use crate::rehearsal::rehearse;
use crate::spec::{Loaded, render_json, render_text};

pub fn run(context: &Context, command: &Check) -> anyhow::Result<u8> {
    let mut loaded = context.load()?;
    if command.notes {
        let notes = loaded.notes();
        loaded.diagnostics.extend(notes);
    }
    if command.live {
        look_at_the_world(&mut loaded, command)?;
    }
    let diagnostics = chosen(&loaded, &command.names)?;
    let mut out = anstream::stdout().lock();
    let errors = count(&diagnostics, Severity::Error);
    let code = if errors > 0 { exit::INVALID } else { exit::OK };
    if command.format == Format::Json {
        let json = render_json(&diagnostics, &loaded.sources);
        writeln!(out, "{json:#}")?;
        return Ok(code);
    }
    let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    out.write_all(render_text(&diagnostics, &loaded.sources, coloured).as_bytes())?;
    let pipelines = loaded
        .project
        .as_ref()
        .map_or(0, |project| project.pipelines.len())
        + loaded.broken.len();
    let noun = if pipelines == 1 {
        "pipeline"
    } else {
        "pipelines"
    };
    let warnings = count(&diagnostics, Severity::Warning);
    let (good, bad) = (look::GOOD, look::ERROR);
    if errors == 0 && warnings == 0 {
        writeln!(out, "{good}{pipelines} {noun} checked{good:#}: no mistakes")?;
    } else {
        let plural = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            many => format!("{many} {noun}s"),
        };
        let mut found = Vec::new();
        if errors > 0 {
            found.push(format!("{bad}{}{bad:#}", plural(errors, "error")));
        }
        if warnings > 0 {
            found.push(plural(warnings, "warning"));
        }
        writeln!(out, "{pipelines} {noun} checked: {}", found.join(", "))?;
    }
    Ok(code)
}

/// Adds what only the other side of the connections knows.
fn look_at_the_world(loaded: &mut Loaded, command: &Check) -> anyhow::Result<()> {
    let Some(project) = &loaded.project else {
        return Ok(());
    };
    let chosen = |id: &DagId| {
        let pipeline = project.pipelines.get(id);
        command.names.is_empty()
            || command.names.iter().any(|name| {
                name == id.as_str() || pipeline.is_some_and(|found| found.path.ends_with(name))
            })
    };
    let mut found = runtime()?.block_on(rehearse(project, &clock(), chosen));
    if !command.notes {
        found.retain(|diagnostic| diagnostic.severity != Severity::Note);
    }
    loaded.add(found);
    Ok(())
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == severity)
        .count()
}

/// What was found in the named files or DAGs; all without names.
fn chosen(loaded: &Loaded, names: &[String]) -> anyhow::Result<Vec<Diagnostic>> {
    if names.is_empty() {
        return Ok(loaded.diagnostics.clone());
    }
    let mut known: Vec<(String, std::path::PathBuf)> = Vec::new();
    for pipeline in loaded
        .project
        .iter()
        .flat_map(|project| project.pipelines.values())
    {
        known.push((pipeline.id.to_string(), pipeline.path.clone()));
    }
    for (path, dag) in &loaded.broken {
        known.extend(dag.clone().map(|dag| (dag, path.clone())));
    }
    let mut paths = Vec::new();
    for name in names {
        let found = known
            .iter()
            .find(|(dag, path)| dag == name || path.ends_with(name));
        let Some((_, path)) = found else {
            let names = known.iter().map(|(dag, _)| dag.as_str());
            return Err(unknown("DAG", name, names).into());
        };
        paths.push(path.clone());
    }
    let in_paths = |diagnostic: &&Diagnostic| {
        let labels = std::iter::once(&diagnostic.primary).chain(&diagnostic.related);
        labels
            .map(|label| &loaded.sources.get(label.span.source).path)
            .any(|path| paths.contains(path) || !path.starts_with(crate::spec::PIPELINES_FOLDER))
    };
    Ok(loaded
        .diagnostics
        .iter()
        .filter(in_paths)
        .cloned()
        .collect())
}

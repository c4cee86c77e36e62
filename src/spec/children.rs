//! DAGs that run others: names, parameters, and those that would run each other without end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::after::Links;
use super::circles::{circles, path_text};
use super::pipeline::Pipeline;
use crate::document::{Diagnostic, Report, Span};
use crate::model::DagId;
use crate::task::Child;

/// Checks the runs that tasks begin. Names that no file has are reported unless files are missing
/// from `links`. Gives the DAGs that have mistakes.
pub fn check(
    links: &[Links],
    all_there: bool,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    report: &mut Report,
) -> BTreeSet<String> {
    let mut broken = BTreeSet::new();
    let names: BTreeSet<&str> = links.iter().map(|link| link.dag.value.as_str()).collect();
    for (dag, pipeline) in pipelines {
        for child in children(pipeline) {
            let name = child.dag.value.as_str();
            let found = match pipelines.get(name) {
                Some(other) => wrong_params(child, other),
                None if all_there && !names.contains(name) => vec![
                    Diagnostic::error(
                        "unknown-name",
                        format!("no DAG is called `{name}`"),
                        child.dag.span,
                    )
                    .suggest(name, names.iter().copied(), "DAG"),
                ],
                None => Vec::new(),
            };
            if !found.is_empty() {
                broken.insert(dag.to_string());
            }
            for diagnostic in found {
                report.push(diagnostic);
            }
        }
    }
    broken.extend(report_circles(links, pipelines, report));
    broken
}

fn children(pipeline: &Pipeline) -> impl Iterator<Item = &Child> {
    let tasks = pipeline.tasks.iter();
    tasks.filter_map(|task| task.action.child())
}

fn wrong_params(child: &Child, other: &Pipeline) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let dag = &other.id;
    for (name, value) in &child.params {
        let Some(param) = other.params.iter().find(|param| param.name == name.value) else {
            let known = other.params.names();
            let diagnostic = Diagnostic::error(
                "unknown-param",
                format!("DAG `{dag}` has no parameter `{}`", name.value),
                name.span,
            );
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            found.push(if known.is_empty() {
                diagnostic.label("it has none at all")
            } else {
                diagnostic.suggest(name, known, "parameter")
            });
            continue;
        };
        if let Some(value) = value
            && let Err(reason) = param.rules.take(&value.value)
        {
            found.push(
                Diagnostic::error(
                    "wrong-type",
                    format!("parameter `{}` of `{dag}`: {reason}", name.value),
                    value.span,
                )
                .related(param.span, "the parameter"),
            );
        }
    }
    for param in other.params.iter().filter(|param| param.default.is_none()) {
        if !child
            .params
            .iter()
            .any(|(name, _)| name.value == param.name)
        {
            found.push(
                Diagnostic::error(
                    "missing-param",
                    format!("DAG `{dag}` needs parameter `{}`", param.name),
                    child.dag.span,
                )
                .label(format!("add `params: {{ {}: … }}`", param.name))
                .related(param.span, "it has no default"),
            );
        }
    }
    found
}

/// DAGs that run each other, or of which one runs what it comes after.
fn report_circles(
    links: &[Links],
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    report: &mut Report,
) -> BTreeSet<String> {
    let places: BTreeMap<&str, usize> = links
        .iter()
        .enumerate()
        .map(|(at, link)| (link.dag.value.as_str(), at))
        .collect();
    // Where each run of a DAG begins another: by its task, or by what comes after it.
    let mut runs: BTreeMap<(usize, usize), Span> = BTreeMap::new();
    let mut starters: Vec<Vec<usize>> = vec![Vec::new(); links.len()];
    for (dag, pipeline) in pipelines {
        let Some(&at) = places.get(dag.as_str()) else {
            continue;
        };
        for child in children(pipeline) {
            if let Some(&other) = places.get(child.dag.value.as_str()) {
                runs.entry((at, other)).or_insert(child.dag.span);
                starters[other].push(at);
            }
        }
    }
    if runs.is_empty() {
        return BTreeSet::new();
    }
    for (at, link) in links.iter().enumerate() {
        for name in &link.after {
            let starts = |other: &Links| {
                other.dag.value == name.value
                    || other.writes.iter().any(|one| one.value == name.value)
            };
            let earlier = links.iter().enumerate().filter(|(_, other)| starts(other));
            starters[at].extend(earlier.map(|(earlier, _)| earlier));
        }
    }
    let mut broken = BTreeSet::new();
    for path in circles(&starters) {
        let name = |at: usize| links[at].dag.value.as_str();
        let edges: Vec<(usize, usize)> = path.windows(2).map(|edge| (edge[0], edge[1])).collect();
        let begun: Vec<((usize, usize), Span)> = edges
            .iter()
            .filter_map(|edge| Some((*edge, *runs.get(edge)?)))
            .collect();
        // Without a task in it, it is a circle of `after`, and reported as such.
        let Some(((parent, child), span)) = begun.last().copied() else {
            continue;
        };
        let only_runs = begun.len() == edges.len();
        let text = path_text(&path.iter().map(|at| name(*at)).collect::<Vec<_>>());
        let message = if parent == child {
            format!("DAG `{}` runs itself", name(parent))
        } else if only_runs {
            format!("these DAGs run each other without end: {text}")
        } else {
            format!("these DAGs start each other without end: {text}")
        };
        let mut diagnostic = Diagnostic::error("cycle", message, span);
        if parent != child {
            diagnostic = diagnostic.label(format!("`{}` runs `{}`", name(parent), name(child)));
        }
        for (edge, span) in begun.iter().rev().skip(1).take(4) {
            let words = format!("`{}` runs `{}`", name(edge.0), name(edge.1));
            diagnostic = diagnostic.related(*span, words);
        }
        for (earlier, later) in edges.iter().filter(|edge| !runs.contains_key(edge)).take(4) {
            let mut after = links[*later].after.iter();
            let named = after.find(|one| {
                let other = &links[*earlier];
                one.value == other.dag.value
                    || other.writes.iter().any(|name| name.value == one.value)
            });
            if let Some(named) = named {
                let words = format!("`{}` comes after `{}`", name(*later), named.value);
                diagnostic = diagnostic.related(named.span, words);
            }
        }
        report.push(diagnostic);
        broken.extend(path.iter().map(|at| name(*at).to_owned()));
    }
    broken
}

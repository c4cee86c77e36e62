//! What DAGs come after: names become DAGs and datasets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::circles::{circles, path_text};
use super::pipeline::Pipeline;
use crate::document::{Diagnostic, Report, Spanned};
use crate::model::{After, Clock, DagId, DatasetId};

/// What one file says of itself and of others, whether it has mistakes or not.
pub struct Links {
    pub dag: Spanned<String>,
    pub after: Vec<Spanned<String>>,
    pub writes: Vec<Spanned<String>>,
}

/// Resolves what the DAGs come after. Unknown names are reported unless files are missing from
/// `links`; so are circles, with their path. Gives the DAGs that have mistakes.
pub fn resolve(
    links: &[Links],
    all_there: bool,
    pipelines: &mut BTreeMap<DagId, Arc<Pipeline>>,
    report: &mut Report,
) -> BTreeSet<String> {
    let dags: BTreeMap<&str, usize> = links
        .iter()
        .enumerate()
        .rev()
        .map(|(at, link)| (link.dag.value.as_str(), at))
        .collect();
    let mut broken = BTreeSet::new();
    let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, link) in links.iter().enumerate() {
        for name in &link.writes {
            if let Some(dag) = dags.get(name.value.as_str()) {
                report.push(
                    Diagnostic::error(
                        "duplicate-name",
                        format!("dataset `{}` has the name of a DAG", name.value),
                        name.span,
                    )
                    .label("give it another name")
                    .related(links[*dag].dag.span, "the DAG"),
                );
                broken.insert(link.dag.value.clone());
            }
            writers.entry(&name.value).or_default().push(at);
        }
    }
    let known: Vec<&str> = dags.keys().chain(writers.keys()).copied().collect();
    let mut needs: Vec<Vec<usize>> = Vec::with_capacity(links.len());
    for link in links {
        let mut after = After::default();
        let mut own = Vec::new();
        for name in &link.after {
            let text = name.value.as_str();
            let found = if let Some(dag) = dags.get(text) {
                own.push(*dag);
                DagId::new(text).is_ok_and(|dag| after.dags.insert(dag))
            } else if let Some(writers) = writers.get(text) {
                own.extend(writers);
                DatasetId::new(text).is_ok_and(|dataset| after.datasets.insert(dataset))
            } else {
                if all_there {
                    report.push(unknown(name, &known));
                    broken.insert(link.dag.value.clone());
                }
                continue;
            };
            if !found {
                report.push(
                    Diagnostic::error(
                        "duplicate-need",
                        format!("`{text}` stands here twice"),
                        name.span,
                    )
                    .label("remove it"),
                );
                broken.insert(link.dag.value.clone());
            }
        }
        needs.push(own);
        let pipeline = pipelines.get_mut(link.dag.value.as_str());
        // Nobody else has it yet.
        if let Some(pipeline) = pipeline.and_then(Arc::get_mut) {
            pipeline.after = after;
        }
    }
    for path in circles(&needs) {
        report_circle(links, &path, report);
        broken.extend(path.iter().map(|at| links[*at].dag.value.clone()));
    }
    if broken.is_empty() {
        warn_of_paces(links, pipelines, report);
    }
    broken
}

fn unknown(name: &Spanned<String>, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "unknown-name",
        format!("no DAG and no dataset is called `{}`", name.value),
        name.span,
    )
    .suggest(&name.value, known.iter().copied(), "name");
    if crate::document::nearest(&name.value, known.iter().copied()).is_some() {
        return diagnostic;
    }
    diagnostic.help(format!(
        "a dataset is made by the task that writes it: `writes: {}`",
        name.value
    ))
}

/// The name by which the DAG at one place comes after the DAG at another.
fn link(links: &[Links], later: usize, earlier: usize) -> Option<(&Spanned<String>, bool)> {
    let before = &links[earlier];
    links[later].after.iter().find_map(|name| {
        if name.value == before.dag.value {
            return Some((name, false));
        }
        let mut written = before.writes.iter();
        let writes = written.any(|one| one.value == name.value);
        writes.then_some((name, true))
    })
}

fn report_circle(links: &[Links], path: &[usize], report: &mut Report) {
    let dag = |at: usize| links[at].dag.value.as_str();
    let words = |earlier: usize, later: usize, (name, dataset): (&Spanned<String>, bool)| {
        let way = if dataset {
            format!("`{}`, which `{}` writes", name.value, dag(earlier))
        } else {
            format!("`{}`", name.value)
        };
        format!("`{}` comes after {way}", dag(later))
    };
    let mut edges: Vec<(usize, usize)> = path.windows(2).map(|edge| (edge[0], edge[1])).collect();
    let Some((earlier, later)) = edges.pop() else {
        return;
    };
    let Some(last) = link(links, later, earlier) else {
        return;
    };
    let message = if earlier == later && last.1 {
        format!(
            "DAG `{}` comes after `{}`, which it writes itself",
            dag(later),
            last.0.value
        )
    } else if earlier == later {
        format!("DAG `{}` comes after itself", dag(later))
    } else {
        let names = path_text(&path.iter().map(|at| dag(*at)).collect::<Vec<_>>());
        format!("these DAGs come after each other: {names}")
    };
    let mut diagnostic = Diagnostic::error("cycle", message, last.0.span);
    diagnostic = if earlier == later {
        diagnostic.label("remove it")
    } else {
        diagnostic
            .label(words(earlier, later, last))
            .help("remove one of these names")
    };
    for (earlier, later) in edges.iter().filter(|_| edges.len() <= 5) {
        if let Some(found) = link(links, *later, *earlier) {
            let text = words(*earlier, *later, found);
            diagnostic = diagnostic.related(found.0.span, text);
        }
    }
    report.push(diagnostic);
}

/// Warns of DAGs that come after DAGs of different schedules: their data intervals never meet.
fn warn_of_paces(links: &[Links], pipelines: &BTreeMap<DagId, Arc<Pipeline>>, report: &mut Report) {
    for link in links {
        let Some(pipeline) = pipelines.get(link.dag.value.as_str()) else {
            continue;
        };
        let mut paced = pipeline
            .after
            .dags
            .iter()
            .filter_map(|dag| Some((dag, pace(pipelines, dag)?)));
        let Some((first, clocks)) = paced.next() else {
            continue;
        };
        if let Some((other, _)) = paced.find(|(_, other)| *other != clocks) {
            let Some(place) = link.after.iter().find(|name| name.value == other.as_str()) else {
                continue;
            };
            report.push(
                Diagnostic::warning(
                    "never-runs",
                    format!("`{first}` and `{other}` never run for the same data interval"),
                    place.span,
                )
                .label("has another schedule")
                .help("let a task of each write a dataset, and name the datasets here"),
            );
        }
    }
}

/// The clocks that make the data intervals of a DAG.
fn pace<'a>(pipelines: &'a BTreeMap<DagId, Arc<Pipeline>>, dag: &DagId) -> Option<&'a [Clock]> {
    let pipeline = pipelines.get(dag)?;
    match &pipeline.schedule {
        Some(schedule) => Some(schedule.clocks()),
        None => pace(pipelines, pipeline.after.dags.first()?),
    }
}

//! Dependencies between the tasks of a DAG.

use std::collections::{HashMap, HashSet};

use super::circles::{circles, path_text};
use super::task::TaskHead;
use crate::document::{Diagnostic, Report};
use crate::model::{TaskId, TriggerRule};
use crate::task::GraphView;

/// The tasks of a DAG and what each needs, by their place in the document.
pub struct Graph {
    names: Vec<TaskId>,
    by_name: HashMap<String, usize>,
    needs: Vec<Vec<usize>>,
    /// `needs` has mistakes: any task may come before.
    incomplete: Vec<bool>,
    foreach: Vec<bool>,
}

impl Graph {
    /// Builds the graph; unknown, doubled and circular `needs` are reported.
    pub fn build(heads: &[TaskHead<'_>], report: &mut Report) -> Self {
        let by_name: HashMap<String, usize> = heads
            .iter()
            .enumerate()
            .map(|(at, head)| (head.name.value.clone(), at))
            .collect();
        let mut resolved: Vec<Vec<usize>> = Vec::with_capacity(heads.len());
        let mut incomplete = Vec::with_capacity(heads.len());
        for (at, head) in heads.iter().enumerate() {
            let wanted = &head.record.needs.0;
            let mut own = Vec::with_capacity(wanted.len());
            let mut unknown = head.needs_unknown;
            for need in wanted {
                match by_name.get(&need.value) {
                    Some(&found) if found == at => report.push(
                        Diagnostic::error(
                            "cycle",
                            format!("task `{}` needs itself", need.value),
                            need.span,
                        )
                        .label("remove it"),
                    ),
                    Some(found) if own.contains(found) => report.push(
                        Diagnostic::error(
                            "duplicate-need",
                            format!("`{}` stands here twice", need.value),
                            need.span,
                        )
                        .label("remove it"),
                    ),
                    Some(found) => own.push(*found),
                    None => {
                        unknown = true;
                        let long = heads.len() > 500 && report.is_long();
                        let others = heads
                            .iter()
                            .filter(|other| !long && other.name != head.name);
                        let known = others.map(|other| other.name.value.as_str());
                        report.push(
                            Diagnostic::error(
                                "unknown-task",
                                format!("task `{}` doesn't exist", need.value),
                                need.span,
                            )
                            .suggest(&need.value, known, "task"),
                        );
                    }
                }
            }
            resolved.push(own);
            incomplete.push(unknown);
        }
        let graph = Self {
            names: heads.iter().map(|head| head.id.clone()).collect(),
            by_name,
            needs: resolved,
            incomplete,
            foreach: heads
                .iter()
                .map(|head| head.record.foreach.is_some())
                .collect(),
        };
        graph.refuse_cycles(heads, report);
        warn_of_similar(heads, report);
        graph.warn_of_no_failure(heads, report);
        graph
    }

    fn refuse_cycles(&self, heads: &[TaskHead<'_>], report: &mut Report) {
        for path in circles(&self.needs) {
            report_cycle(heads, &path, report);
        }
    }

    /// Warns of tasks that wait for a failure which counts as success.
    fn warn_of_no_failure(&self, heads: &[TaskHead<'_>], report: &mut Report) {
        for (at, head) in heads.iter().enumerate() {
            let Some(when) = &head.record.when else {
                continue;
            };
            // What comes further up may fail, and with it what is needed here.
            let forgiven = |need: &usize| {
                heads[*need].record.continue_on_failure == Some(true)
                    && self.needs[*need].is_empty()
            };
            let waits = matches!(when.value, TriggerRule::OneFailed | TriggerRule::AllFailed);
            let needs = &self.needs[at];
            if waits && !self.incomplete[at] && !needs.is_empty() && needs.iter().all(forgiven) {
                report.push(
                    Diagnostic::warning(
                        "never-runs",
                        format!(
                            "task `{}` never runs: what it needs can't fail",
                            head.name.value
                        ),
                        when.span,
                    )
                    .label("waits for a failure")
                    .related(
                        heads[needs[0]].key_span("continue_on_failure"),
                        "this failure counts as success",
                    ),
                );
            }
        }
    }

    /// The tasks so that each comes after what it needs, otherwise as in the document.
    pub fn order(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); self.names.len()];
        for (at, own) in self.needs.iter().enumerate() {
            for need in own {
                dependents[*need].push(at);
            }
        }
        let mut ready: std::collections::BTreeSet<usize> = missing
            .iter()
            .enumerate()
            .filter(|(_, count)| **count == 0)
            .map(|(at, _)| at)
            .collect();
        let mut order = Vec::with_capacity(self.names.len());
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for dependent in &dependents[at] {
                missing[*dependent] -= 1;
                if missing[*dependent] == 0 {
                    ready.insert(*dependent);
                }
            }
        }
        order
    }

    /// The place of a task.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// What the task at a place needs, by place.
    pub fn needs(&self, at: usize) -> &[usize] {
        &self.needs[at]
    }

    /// The graph as the task at a place sees it.
    pub fn around(&self, at: usize) -> Around<'_> {
        Around { graph: self, at }
    }
}

/// Warns of names that only case tells apart: people and some file systems take them for one.
fn warn_of_similar(heads: &[TaskHead<'_>], report: &mut Report) {
    let mut seen: HashMap<String, &TaskHead<'_>> = HashMap::with_capacity(heads.len());
    for head in heads {
        if let Some(first) = seen.insert(head.name.to_lowercase(), head)
            && first.name.value != head.name.value
        {
            report.push(
                Diagnostic::warning(
                    "similar-names",
                    format!(
                        "only case tells task `{}` and `{}` apart",
                        head.name.value, first.name.value
                    ),
                    head.name.span,
                )
                .label("easily taken for the other")
                .related(first.name.span, "first here"),
            );
        }
    }
}

/// A circle, from its first task to itself. The edge that closes it is shown, and the others that
/// are few enough to be read.
fn report_cycle(heads: &[TaskHead<'_>], path: &[usize], report: &mut Report) {
    let name = |at: usize| heads[at].name.value.as_str();
    let need = |edge: &[usize]| {
        let needs = &heads[edge[1]].record.needs.0;
        needs.iter().find(|need| need.value == name(edge[0]))
    };
    let mut edges: Vec<&[usize]> = path.windows(2).collect();
    let Some(last) = edges.pop().and_then(need) else {
        return;
    };
    let shown = path_text(path.iter().map(|at| name(*at)).collect());
    let mut diagnostic = Diagnostic::error(
        "cycle",
        format!("these tasks wait for each other: {shown}"),
        last.span,
    )
    .label("this need closes the circle")
    .help("remove one of these needs");
    for edge in edges.iter().filter(|_| edges.len() <= 5) {
        if let Some(need) = need(edge) {
            let text = format!("`{}` waits for `{}`", name(edge[1]), name(edge[0]));
            diagnostic = diagnostic.related(need.span, text);
        }
    }
    report.push(diagnostic);
}

/// A graph seen from one task. What is upstream is found when it is asked for: most tasks of a
/// large DAG never ask.
pub struct Around<'a> {
    graph: &'a Graph,
    at: usize,
}

impl Around<'_> {
    fn ancestors(&self) -> HashSet<usize> {
        let mut seen = HashSet::new();
        let mut stack: Vec<usize> = self.graph.needs[self.at].clone();
        let mut incomplete = self.graph.incomplete[self.at];
        while let Some(at) = stack.pop() {
            if seen.insert(at) {
                incomplete |= self.graph.incomplete[at];
                stack.extend(&self.graph.needs[at]);
            }
        }
        if incomplete {
            // What is missing is reported where it is missing, not at each task that reads it.
            seen.extend((0..self.graph.names.len()).filter(|at| *at != self.at));
        }
        seen
    }
}

impl GraphView for Around<'_> {
    fn is_task(&self, name: &str) -> bool {
        self.graph.by_name.contains_key(name)
    }

    fn is_upstream(&self, name: &str) -> bool {
        let Some(target) = self.graph.by_name.get(name) else {
            return false;
        };
        self.graph.needs[self.at].contains(target) || self.ancestors().contains(target)
    }

    fn is_foreach(&self, name: &str) -> bool {
        let place = self.graph.by_name.get(name);
        place.is_some_and(|at| self.graph.foreach[*at])
    }

    fn upstream(&self) -> Vec<String> {
        let mut places: Vec<usize> = self.ancestors().into_iter().collect();
        places.sort_unstable();
        places
            .into_iter()
            .map(|at| self.graph.names[at].to_string())
            .collect()
    }

    fn tasks(&self) -> Vec<String> {
        self.graph.names.iter().map(TaskId::to_string).collect()
    }
}

//! A DAG: what it is, when it runs, its tasks as a graph.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::time::Duration;

use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr as _;

use super::arguments::Format;
use super::graph::{self, After};
use super::{exit, look, output};
use crate::document::units::format_duration;
use crate::model::TaskIndex;
use crate::operate::dag::{Dag, Param, Task};

/// A DAG with more tasks is shown by its stages.
const DRAWN: usize = 200;
/// Most stages that are shown.
const STAGES: usize = 40;

pub fn show(dag: &Dag, format: Format) -> anyhow::Result<u8> {
    let mut out = output::stdout();
    if format == Format::Json {
        let json = serde_json::to_value(dag).unwrap_or_default();
        writeln!(out, "{json:#}")?;
    } else {
        head(&mut out, dag)?;
        writeln!(out)?;
        let needs = needs(dag);
        if dag.tasks.len() > DRAWN {
            stages(&mut out, dag, &needs)?;
        } else {
            draw(&mut out, dag, &needs)?;
        }
        guarantees(&mut out, dag)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// What each task needs, by their index.
fn needs(dag: &Dag) -> Vec<Vec<TaskIndex>> {
    let places: HashMap<&str, TaskIndex> = dag
        .tasks
        .iter()
        .zip((0..).map(TaskIndex))
        .map(|(task, at)| (task.task.as_str(), at))
        .collect();
    let tasks = dag.tasks.iter();
    let place = |name: &String| places.get(name.as_str()).copied();
    let needs = tasks.map(|task| task.needs.iter().filter_map(place).collect());
    needs.collect()
}

fn head(out: &mut dyn Write, dag: &Dag) -> std::io::Result<()> {
    let (bold, faint) = (look::BOLD, look::FAINT);
    write!(out, "{bold}{}{bold:#}", dag.dag)?;
    match &dag.description {
        Some(description) => writeln!(out, "  {}", description.trim())?,
        None => writeln!(out)?,
    }
    let mut facts = vec![("schedule", dag.starts.clone())];
    facts.extend(dag.owner.clone().map(|owner| ("owner", owner)));
    if !dag.tags.is_empty() {
        facts.push(("tags", dag.tags.join(" ")));
    }
    if let Some(deadline) = dag.deadline_seconds {
        facts.push(("deadline", seconds(deadline)));
    }
    if let Some(most) = dag.max_runs {
        facts.push(("runs", format!("at most {most} at a time")));
    }
    if let Some(most) = dag.max_active_tasks {
        facts.push(("tasks", format!("at most {most} at a time")));
    }
    facts.push(("file", dag.path.clone()));
    for (name, text) in facts {
        writeln!(out, "  {faint}{name:<8}{faint:#}  {text}")?;
    }
    let params: Vec<&Param> = dag.params.iter().collect();
    if params.is_empty() {
        return Ok(());
    }
    let names = params.iter().map(|param| param.name.len()).max();
    let values: Vec<String> = params.iter().map(|param| value(param)).collect();
    let widths = (
        names.unwrap_or(0),
        values
            .iter()
            .map(|value| value.width())
            .max()
            .unwrap_or(0)
            .min(30),
    );
    for (at, (param, value)) in params.iter().zip(&values).enumerate() {
        let title = if at == 0 { "params" } else { "" };
        let line = format!(
            "  {faint}{title:<8}{faint:#}  {:<names$}  {value:<values$}  {faint}{}{faint:#}",
            param.name,
            rules(param),
            names = widths.0,
            values = widths.1,
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn value(param: &Param) -> String {
    match &param.default {
        None if param.required => "(to be given)".to_owned(),
        None | Some(Json::Null) => "null".to_owned(),
        Some(Json::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn rules(param: &Param) -> String {
    let mut words = Vec::new();
    if let Some(choices) = &param.r#enum {
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| {
                choice
                    .as_str()
                    .map_or_else(|| choice.to_string(), str::to_owned)
            })
            .collect();
        words.push(choices.join(" | "));
    } else if let Some(kind) = &param.r#type {
        words.push(kind.clone());
    }
    words.extend(param.minimum.map(|least| format!("at least {least}")));
    words.extend(param.maximum.map(|most| format!("at most {most}")));
    words.extend(param.description.clone());
    words.join(", ")
}

fn draw(out: &mut dyn Write, dag: &Dag, needs: &[Vec<TaskIndex>]) -> std::io::Result<()> {
    let lines = graph::lines(needs);
    let name = |task: TaskIndex| dag.tasks[task.get()].task.as_str();
    let width = |line: &graph::Line| line.before.width() + name(line.task).width();
    let names = lines.iter().map(width).max().unwrap_or(0);
    let kinds = dag.tasks.iter().map(|task| task.kind.len()).max();
    let kinds = kinds.unwrap_or(0);
    let columns = output::columns();
    for line in &lines {
        let spec = &dag.tasks[line.task.get()];
        let mut facts = Vec::new();
        match &line.after {
            After::Place => {}
            After::Above(count) => facts.push(format!("after the {count} above")),
            After::Tasks(tasks) => {
                let shown: Vec<&str> = tasks.iter().take(4).map(|task| name(*task)).collect();
                let more = tasks.len() - shown.len();
                let mut text = format!("after {}", shown.join(", "));
                if more > 0 {
                    text.push_str(&format!(" and {more} more"));
                }
                facts.push(text);
            }
        }
        facts.extend(ways(spec));
        facts.extend(spec.description.clone());
        let facts = facts.join(" · ");
        let room = columns.map(|columns| columns.saturating_sub(names + kinds + 5).max(10));
        let facts = room.map_or_else(|| facts.clone(), |room| look::fit(&facts, room));
        let (faint, bold) = (look::FAINT, look::BOLD);
        let space = " ".repeat(names - width(line));
        let (before, name) = (&line.before, name(line.task));
        write!(out, "{faint}{before}{faint:#}{bold}{name}{bold:#}{space}  ")?;
        match facts.trim_end() {
            "" => writeln!(out, "{}", spec.kind)?,
            facts => writeln!(out, "{:<kinds$}  {faint}{facts}{faint:#}", spec.kind)?,
        }
    }
    Ok(())
}

/// What makes a task more than its kind.
fn ways(task: &Task) -> Vec<String> {
    let mut ways = Vec::new();
    if !task.has_usual_rule() {
        ways.push(format!("when {}", task.when));
    }
    if let Some(condition) = &task.r#if {
        ways.push(format!("if {condition}"));
    }
    match &task.foreach_row_of {
        Some(from) => ways.push(format!("for each row of {from}")),
        None if task.foreach => ways.push("for each item".to_owned()),
        None => {}
    }
    if let Some(most) = task.concurrency {
        ways.push(format!("{most} at a time"));
    }
    if task.retries > 0 {
        ways.push(format!("retries {}", task.retries));
    }
    if let Some(timeout) = task.timeout_seconds {
        ways.push(format!("timeout {}", seconds(timeout)));
    }
    if let Some(pool) = &task.pool {
        ways.push(match task.slots.unwrap_or(1) {
            1 => format!("pool {pool}"),
            slots => format!("{slots} slots of pool {pool}"),
        });
    }
    if task.continue_on_failure {
        ways.push("its failure doesn't matter".to_owned());
    }
    ways
}

fn seconds(seconds: f64) -> String {
    format_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The stages of a large DAG: how many tasks of which kind, and some of their names.
fn stages(out: &mut dyn Write, dag: &Dag, needs: &[Vec<TaskIndex>]) -> std::io::Result<()> {
    let faint = look::FAINT;
    let stages = stages_of(needs);
    writeln!(
        out,
        "{} tasks in {} stages {faint}(a task is in the stage after the last one that it \
         needs; `--format json` has all){faint:#}",
        look::count(dag.tasks.len() as u64),
        look::count(stages.len() as u64)
    )?;
    // Stages of the same shape that follow each other are one line.
    let mut shown: Vec<(usize, usize, String, String)> = Vec::new();
    for (at, tasks) in stages.iter().enumerate() {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for task in tasks {
            *kinds.entry(&dag.tasks[*task].kind).or_default() += 1;
        }
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("{} {kind}", look::count(*count as u64)))
            .collect();
        let shape = kinds.join(", ");
        let name = |task: &usize| dag.tasks[*task].task.clone();
        let names = match tasks.as_slice() {
            [first, .., last] if tasks.len() > 3 => format!("{} … {}", name(first), name(last)),
            few => few.iter().map(name).collect::<Vec<_>>().join(", "),
        };
        match shown.last_mut() {
            Some((_, until, known, first)) if *known == shape => {
                *until = at;
                let start = first.split(" … ").next().unwrap_or_default().to_owned();
                let end = tasks.last().map(name).unwrap_or_default();
                *first = format!("{start} … {end}");
            }
            _ => shown.push((at, at, shape, names)),
        }
    }
    let left_out = shown.len().saturating_sub(STAGES);
    shown.truncate(STAGES);
    let labels: Vec<String> = shown
        .iter()
        .map(|(from, until, _, _)| match until - from {
            0 => format!("{}", from + 1),
            _ => format!("{}–{}", from + 1, until + 1),
        })
        .collect();
    let width = labels.iter().map(|label| label.width()).max().unwrap_or(0);
    for (label, (from, until, shape, names)) in labels.iter().zip(&shown) {
        let each = if from == until { "" } else { " each" };
        let space = " ".repeat(width - label.width());
        writeln!(
            out,
            "  {space}{label}  {shape}{each}  {faint}{names}{faint:#}"
        )?;
    }
    if left_out > 0 {
        writeln!(out, "  {faint}and {left_out} more{faint:#}")?;
    }
    Ok(())
}

/// The tasks by the longest way to them.
fn stages_of(needs: &[Vec<TaskIndex>]) -> Vec<Vec<usize>> {
    let mut stage = vec![0; needs.len()];
    let mut stages: Vec<Vec<usize>> = Vec::new();
    for (at, needs) in needs.iter().enumerate() {
        let last = needs.iter().map(|need| stage[need.get()] + 1).max();
        stage[at] = last.unwrap_or(0);
        if stages.len() <= stage[at] {
            stages.push(Vec::new());
        }
        stages[stage[at]].push(at);
    }
    stages
}

/// The tasks that a crash may make happen twice, by the reason.
fn guarantees(out: &mut dyn Write, dag: &Dag) -> std::io::Result<()> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for task in &dag.tasks {
        if let Some(reason) = &task.guarantee_reason {
            reasons.entry(reason).or_default().push(&task.task);
        }
    }
    let faint = look::FAINT;
    if reasons.is_empty() {
        return writeln!(
            out,
            "\n{faint}every task takes effect exactly once, whatever is killed when{faint:#}"
        );
    }
    writeln!(
        out,
        "\nat least once {faint}(the others: exactly once){faint:#}"
    )?;
    for (reason, tasks) in reasons {
        let shown: Vec<&str> = tasks.iter().take(6).copied().collect();
        let more = match tasks.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {} more", look::count(more as u64)),
        };
        writeln!(out, "  {}{more}", shown.join(", "))?;
        for line in output::wrapped(reason, 4) {
            writeln!(out, "{faint}{line}{faint:#}")?;
        }
    }
    Ok(())
}

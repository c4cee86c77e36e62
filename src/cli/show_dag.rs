//! A DAG: what it is, when it runs, its tasks as a graph.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value as Json, json};
use unicode_width::UnicodeWidthStr as _;

use super::arguments::Format;
use super::graph::{self, After};
use super::{exit, look, output};
use crate::document::units::format_duration;
use crate::model::{Schedule, TaskIndex, TriggerRule};
use crate::spec::{Foreach, Param, Pipeline, TaskSpec};
use crate::task::Guarantee;
use crate::template::Template;

/// A DAG with more tasks is shown by its stages.
const DRAWN: usize = 200;
/// Most stages that are shown.
const STAGES: usize = 40;

pub fn show(pipeline: &Pipeline, format: Format) -> anyhow::Result<u8> {
    let mut out = output::stdout();
    if format == Format::Json {
        writeln!(out, "{:#}", as_json(pipeline))?;
    } else {
        head(&mut out, pipeline)?;
        writeln!(out)?;
        if pipeline.tasks.len() > DRAWN {
            stages(&mut out, pipeline)?;
        } else {
            draw(&mut out, pipeline)?;
        }
        guarantees(&mut out, pipeline)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

fn head(out: &mut dyn Write, pipeline: &Pipeline) -> std::io::Result<()> {
    let (bold, faint) = (look::BOLD, look::FAINT);
    write!(out, "{bold}{}{bold:#}", pipeline.id)?;
    match &pipeline.description {
        Some(description) => writeln!(out, "  {}", description.trim())?,
        None => writeln!(out)?,
    }
    let mut facts = vec![("schedule", crate::operate::why::starts(pipeline))];
    facts.extend(pipeline.owner.clone().map(|owner| ("owner", owner)));
    if !pipeline.tags.is_empty() {
        facts.push(("tags", pipeline.tags.join(" ")));
    }
    if let Some(deadline) = pipeline.deadline {
        facts.push(("deadline", format_duration(deadline)));
    }
    if let Some(most) = pipeline.max_runs {
        facts.push(("runs", format!("at most {most} at a time")));
    }
    if let Some(most) = pipeline.dag.max_active_tasks {
        facts.push(("tasks", format!("at most {most} at a time")));
    }
    facts.push(("file", pipeline.path.display().to_string()));
    for (name, text) in facts {
        writeln!(out, "  {faint}{name:<8}{faint:#}  {text}")?;
    }
    let params: Vec<&Param> = pipeline.params.iter().collect();
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
        None => "(to be given)".to_owned(),
        Some(Json::Null) => "null".to_owned(),
        Some(Json::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn rules(param: &Param) -> String {
    let rules = &param.rules;
    let mut words = Vec::new();
    if let Some(choices) = &rules.choices {
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| {
                choice
                    .as_str()
                    .map_or_else(|| choice.to_string(), str::to_owned)
            })
            .collect();
        words.push(choices.join(" | "));
    } else if let Some(kind) = rules.kind {
        words.push(kind.word().to_owned());
    }
    words.extend(rules.minimum.map(|least| format!("at least {least}")));
    words.extend(rules.maximum.map(|most| format!("at most {most}")));
    words.extend(param.description.clone());
    words.join(", ")
}

fn draw(out: &mut dyn Write, pipeline: &Pipeline) -> std::io::Result<()> {
    let dag = &pipeline.dag;
    let lines = graph::lines(dag);
    let name = |task: TaskIndex| dag.task(task).id.as_str();
    let width = |line: &graph::Line| line.before.width() + name(line.task).width();
    let names = lines.iter().map(width).max().unwrap_or(0);
    let kinds = pipeline.tasks.iter().map(|task| task.kind.len()).max();
    let kinds = kinds.unwrap_or(0);
    let columns = output::columns();
    for line in &lines {
        let spec = &pipeline.tasks[line.task.get()];
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
        facts.extend(ways(pipeline, line.task));
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
fn ways(pipeline: &Pipeline, task: TaskIndex) -> Vec<String> {
    let (spec, shape) = (&pipeline.tasks[task.get()], pipeline.dag.task(task));
    let mut ways = Vec::new();
    if shape.rule != TriggerRule::default() {
        let rule = TriggerRule::ALL
            .iter()
            .find(|(_, rule)| *rule == shape.rule);
        ways.extend(rule.map(|(word, _)| format!("when {word}")));
    }
    if let Some(condition) = &spec.condition {
        ways.push(format!("if {}", condition.source()));
    }
    match &spec.foreach {
        Some(Foreach::Dataset(from)) => ways.push(format!("for each row of {from}")),
        Some(Foreach::Value(_)) => ways.push("for each item".to_owned()),
        None => {}
    }
    if let Some(most) = shape.concurrency {
        ways.push(format!("{most} at a time"));
    }
    if shape.retry.retries > 0 {
        ways.push(format!("retries {}", shape.retry.retries));
    }
    if let Some(timeout) = shape.timeout {
        ways.push(format!("timeout {}", format_duration(timeout)));
    }
    if let Some((pool, slots)) = &shape.pool {
        ways.push(match slots {
            1 => format!("pool {pool}"),
            slots => format!("{slots} slots of pool {pool}"),
        });
    }
    if shape.continue_on_failure {
        ways.push("its failure doesn't matter".to_owned());
    }
    ways
}

/// The stages of a large DAG: how many tasks of which kind, and some of their names.
fn stages(out: &mut dyn Write, pipeline: &Pipeline) -> std::io::Result<()> {
    let faint = look::FAINT;
    let stages = stages_of(pipeline);
    writeln!(
        out,
        "{} tasks in {} stages {faint}(a task is in the stage after the last one that it \
         needs; `--format json` has all){faint:#}",
        look::count(pipeline.tasks.len() as u64),
        look::count(stages.len() as u64)
    )?;
    // Stages of the same shape that follow each other are one line.
    let mut shown: Vec<(usize, usize, String, String)> = Vec::new();
    for (at, tasks) in stages.iter().enumerate() {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for task in tasks {
            *kinds.entry(pipeline.tasks[*task].kind).or_default() += 1;
        }
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("{} {kind}", look::count(*count as u64)))
            .collect();
        let shape = kinds.join(", ");
        let name = |task: &usize| pipeline.tasks[*task].id.to_string();
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
fn stages_of(pipeline: &Pipeline) -> Vec<Vec<usize>> {
    let tasks = &pipeline.dag.tasks;
    let mut stage = vec![0; tasks.len()];
    let mut stages: Vec<Vec<usize>> = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let last = task.needs.iter().map(|need| stage[need.get()] + 1).max();
        stage[at] = last.unwrap_or(0);
        if stages.len() <= stage[at] {
            stages.push(Vec::new());
        }
        stages[stage[at]].push(at);
    }
    stages
}

/// The tasks that a crash may make happen twice, by the reason.
fn guarantees(out: &mut dyn Write, pipeline: &Pipeline) -> std::io::Result<()> {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for task in &pipeline.tasks {
        if let Guarantee::AtLeastOnce { reason } = task.action.guarantee() {
            reasons.entry(reason).or_default().push(task.id.as_str());
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
        for line in output::wrapped(&reason, 4) {
            writeln!(out, "{faint}{line}{faint:#}")?;
        }
    }
    Ok(())
}

fn as_json(pipeline: &Pipeline) -> Json {
    let params = pipeline.params.iter().map(|param| {
        json!({
            "name": param.name,
            "description": param.description,
            "default": param.default,
            "required": param.default.is_none(),
            "type": param.rules.kind.map(crate::spec::ParamType::word),
            "enum": param.rules.choices,
            "minimum": param.rules.minimum,
            "maximum": param.rules.maximum,
        })
    });
    let params: Vec<Json> = params.collect();
    let tasks = (0..).map(TaskIndex).zip(&pipeline.tasks);
    let tasks: Vec<Json> = tasks
        .map(|(at, task)| task_json(pipeline, at, task))
        .collect();
    json!({
        "dag": pipeline.id.as_str(),
        "path": pipeline.path,
        "description": pipeline.description,
        "owner": pipeline.owner,
        "tags": pipeline.tags,
        "schedule": pipeline.schedule.as_ref().map(Schedule::describe),
        "after": pipeline.after.names().collect::<Vec<_>>(),
        "triggers": crate::operate::why::triggers(pipeline),
        "params": params,
        "deadline_seconds": pipeline.deadline.map(|deadline| deadline.as_secs_f64()),
        "max_runs": pipeline.max_runs,
        "max_active_tasks": pipeline.dag.max_active_tasks,
        "version": pipeline.version.hash,
        "tasks": tasks,
    })
}

fn task_json(pipeline: &Pipeline, at: TaskIndex, spec: &TaskSpec) -> Json {
    let shape = pipeline.dag.task(at);
    let needs: Vec<&str> = shape
        .needs
        .iter()
        .map(|need| pipeline.dag.task(*need).id.as_str())
        .collect();
    let (guarantee, reason) = match spec.action.guarantee() {
        Guarantee::ExactlyOnce => ("exactly_once", None),
        Guarantee::AtLeastOnce { reason } => ("at_least_once", Some(reason)),
    };
    json!({
        "id": spec.id.as_str(),
        "kind": spec.kind,
        "description": spec.description,
        "needs": needs,
        "when": shape.rule,
        "if": spec.condition.as_ref().map(Template::source),
        "foreach": spec.foreach.is_some(),
        "concurrency": shape.concurrency,
        "retries": shape.retry.retries,
        "timeout_seconds": shape.timeout.map(|timeout| timeout.as_secs_f64()),
        "pool": shape.pool.as_ref().map(|(pool, _)| pool.as_str()),
        "slots": shape.pool.as_ref().map(|(_, slots)| slots),
        "priority": shape.priority,
        "continue_on_failure": shape.continue_on_failure,
        "connections": spec.action.connections(),
        "guarantee": guarantee,
        "guarantee_reason": reason,
    })
}

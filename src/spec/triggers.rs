//! `trigger:`: what starts a DAG beside the clock and people.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use schemars::{Schema, json_schema};

use super::files::{Files, View};
use super::notifications::NoTasks;
use super::params::Params;
use super::read_pipeline::Context;
use super::reading::check_env;
use crate::document::{Diagnostic, Entry, FromNode, Map, Node, Report, Span, Value, nearest};
use crate::model::TaskId;
use crate::task::Surroundings;
use crate::template::{Shape, TemplateValue};
use crate::trigger::{KINDS, Kind, Trigger};

/// A checked trigger of a DAG.
#[derive(Debug, Clone)]
pub struct TriggerSpec {
    /// Where it stands.
    pub place: Span,
    /// The name of its kind.
    pub kind: &'static str,
    pub trigger: Arc<dyn Trigger>,
    /// Most things that start one run together; `None`: each starts a run of its own.
    pub batch: Option<u32>,
    /// The run's parameters, over `run.firing`.
    pub params: Vec<(String, TemplateValue)>,
    /// How many of the same kind stand before it.
    pub ordinal: usize,
}

/// The value of `trigger:`, read when the rest of the file has been.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerNode(pub Node);

impl FromNode for TriggerNode {
    fn from_node(node: &Node, _: &mut Report) -> Option<Self> {
        Some(Self(node.clone()))
    }
    fn schema() -> Schema {
        let kinds: Vec<Schema> = KINDS
            .iter()
            .map(|kind| {
                let mut schema = (kind.schema)();
                let object = schema.ensure_object();
                object.insert("description".to_owned(), kind.doc.into());
                object.insert("title".to_owned(), kind.name.into());
                schema
            })
            .collect();
        let mut forms = kinds.clone();
        forms.push(json_schema!({ "type": "array", "minItems": 1, "items": { "anyOf": kinds } }));
        json_schema!({ "anyOf": forms })
    }
}

/// What was read of the triggers of a DAG.
pub struct ReadTriggers {
    pub triggers: Vec<TriggerSpec>,
    /// What templates find in `run.firing`; `None`: there is none.
    pub firing: Option<Shape>,
}

/// Reads the triggers of a DAG. Everything that is wrong with them is reported.
pub fn read_triggers(
    node: Option<&TriggerNode>,
    params: &Params,
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> ReadTriggers {
    let Some(TriggerNode(node)) = node else {
        return ReadTriggers {
            triggers: Vec::new(),
            firing: None,
        };
    };
    let nodes = match &node.value {
        Value::List(items) if items.is_empty() => {
            report.push(
                Diagnostic::error("invalid-value", "an empty list is no trigger", node.span)
                    .help("leave `trigger` out for a DAG that nothing outside starts"),
            );
            return ReadTriggers {
                triggers: Vec::new(),
                firing: Some(Shape::Any),
            };
        }
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut triggers: Vec<TriggerSpec> = Vec::new();
    let mut awaited = BTreeSet::new();
    let mut firing = Shape::empty();
    for node in nodes {
        let Some((mut spec, shape)) = read_trigger(node, params, files, context, report) else {
            firing = Shape::Any;
            continue;
        };
        if !report.is_mended(node.span) && !awaited.insert(spec.trigger.awaited()) {
            let message = "the same trigger stands here twice";
            let twice = Diagnostic::error("duplicate-trigger", message, node.span);
            report.push(twice.label("remove it"));
        }
        spec.ordinal = triggers.iter().filter(|one| one.kind == spec.kind).count();
        firing = match (firing, shape) {
            (Shape::Names(all), Shape::Names(own)) => {
                Shape::Names(all.into_iter().chain(own).collect())
            }
            _ => Shape::Any,
        };
        triggers.push(spec);
    }
    ReadTriggers {
        triggers,
        firing: Some(firing),
    }
}

fn read_trigger(
    node: &Node,
    params: &Params,
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<(TriggerSpec, Shape)> {
    let (kind, place) = kind_of(node, report)?;
    let nobody = TaskId::new("trigger").ok()?;
    let mut view = View {
        files,
        connections: &context.settings.connections,
        broken_connections: &context.settings.broken_connections,
    };
    let mut surroundings = Surroundings {
        report,
        project: &mut view,
        task: &nobody,
        scope: &Shape::empty(),
        params: &[],
        graph: &NoTasks,
        reads: BTreeSet::new(),
    };
    let read = (kind.parse)(node, &mut surroundings)?;
    let shape = match read.batch {
        Some(_) => Shape::empty().with(read.trigger.list(), Shape::Any),
        None => read.trigger.shape(),
    };
    let scope = Shape::empty().with("run", Shape::empty().with("firing", shape.clone()));
    surroundings.scope = &scope;
    let given = read_params(&read.params, params, node, &mut surroundings);
    check_env(&read.env, context.environment, report);
    let spec = TriggerSpec {
        place,
        kind: kind.name,
        trigger: read.trigger,
        batch: read.batch.map(NonZeroU32::get),
        params: given,
        ordinal: 0,
    };
    Some((spec, shape))
}

/// The kind that a trigger names, and where.
fn kind_of(node: &Node, report: &mut Report) -> Option<(&'static Kind, Span)> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let listed = format!("`{}`", names.join("`, `"));
    let Some(entries) = node.as_map() else {
        let text = node.as_text().map_or("inbox/*.csv", |text| text);
        report.push(
            Diagnostic::error(
                "wrong-type",
                format!("expected a trigger, found {}", node.kind()),
                node.span,
            )
            .label(format!("a map with one of {listed}"))
            .help(format!("such as `trigger: {{ file: \"{text}\" }}`")),
        );
        return None;
    };
    let names_kind = |entry: &&Entry| names.contains(&&*entry.key.value);
    let mut found = entries.iter().filter(names_kind);
    let kind = found.next();
    if let (Some(first), Some(second)) = (kind, found.next()) {
        let (one, other) = (&first.key.value, &second.key.value);
        report.push(
            Diagnostic::error(
                "two-kinds",
                format!("a trigger waits for one thing, this one has `{one}` and `{other}`"),
                second.key.span,
            )
            .label("move this to a trigger of its own")
            .help("several triggers are a list"),
        );
        return None;
    }
    if let Some(entry) = kind {
        let mut kinds = KINDS.iter();
        let kind = kinds.find(|kind| kind.name == &*entry.key.value)?;
        return Some((kind, entry.key.span));
    }
    let near = entries.iter().find_map(|entry| {
        let near = nearest(&entry.key.value, names.iter().copied())?;
        Some((entry, near))
    });
    report.push(match near {
        Some((entry, near)) => Diagnostic::error(
            "unknown-key",
            format!("unknown key `{}` in a trigger", &*entry.key.value),
            entry.key.span,
        )
        .label(format!("did you mean `{near}`?")),
        None => Diagnostic::error("missing-key", "a trigger waits for something", node.span)
            .label(format!("add one of {listed}")),
    });
    None
}

/// Checks the parameters that a trigger gives.
fn read_params(
    given: &Map<Node>,
    params: &Params,
    node: &Node,
    surroundings: &mut Surroundings<'_>,
) -> Vec<(String, TemplateValue)> {
    let mut read = Vec::new();
    let mut misspelled = false;
    for (name, value) in &given.0 {
        let Some(param) = params.iter().find(|param| param.name == name.value) else {
            misspelled = true;
            let message = format!("the DAG has no parameter `{}`", name.value);
            let unknown = Diagnostic::error("unknown-param", message, name.span);
            let known = params.names();
            surroundings.report.push(if known.is_empty() {
                unknown.label("it has none at all")
            } else {
                unknown.suggest(name, known.iter().map(String::as_str), "parameter")
            });
            continue;
        };
        let Some(template) = surroundings.template_value(value) else {
            continue;
        };
        if let TemplateValue::Literal(literal) = &template
            && let Err(reason) = param.rules.take(literal)
        {
            let message = format!("parameter `{}`: {reason}", name.value);
            let wrong = Diagnostic::error("wrong-type", message, value.span);
            let wrong = wrong.related(param.span, "the parameter");
            surroundings.report.push(wrong);
        }
        read.push((name.value.clone(), template));
    }
    for param in params.iter().filter(|param| param.default.is_none()) {
        if !misspelled && !given.0.iter().any(|(name, _)| name.value == param.name) {
            let name = &param.name;
            let message = format!("the trigger doesn't give parameter `{name}`");
            let missing = Diagnostic::error("missing-param", message, node.span)
                .label(format!("add `params: {{ {name}: … }}`"))
                .related(param.span, "it has no default");
            surroundings.report.push(missing);
        }
    }
    read
}

//! `notifications`: what people are told about runs by itself.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use schemars::{Schema, json_schema};

use crate::document::{
    Diagnostic, FromNode, Map, Node, OneOrMany, Report, Span, Spanned, Value, read_unit,
};
use crate::model::{Occasion, TaskId};
use crate::task::message::{FieldText, MessageParts, MessageTemplate};
use crate::task::{GraphView, ProjectView, Surroundings};
use crate::template::Shape;

crate::record! {
    /// What people are told by itself, about every DAG that doesn't say otherwise.
    pub struct NotificationsRecord as "`notifications`" {
        /// Who is told when a run fails: names of connections of kind `webhook` or `smtp`, or maps with
        /// a message of one's own.
        failure: Option<ReceiverNodes>,
        /// Who is told when a run succeeds after one of its DAG had failed.
        recovery: Option<ReceiverNodes>,
        /// Who is told when a run isn't over by its `deadline`.
        deadline: Option<ReceiverNodes>,
        /// Most messages about one DAG. What is more is held back, and counted in the next message.
        limit: MessageLimit = "10/h" => MessageLimit::USUAL,
        /// The address under which people see runs: messages link to `<link>/runs/<id>`.
        link: Option<Spanned<String>>,
    }
}

crate::record! {
    /// What people are told about this DAG by itself. What it doesn't name is as in runner.yaml; an
    /// empty list is told to nobody.
    pub struct DagNotificationsRecord as "`notifications`" {
        /// Who is told when a run fails: names of connections of kind `webhook` or `smtp`, or maps with
        /// a message of one's own.
        failure: Option<ReceiverNodes>,
        /// Who is told when a run succeeds after one of the DAG had failed.
        recovery: Option<ReceiverNodes>,
        /// Who is told when a run isn't over by the `deadline`.
        deadline: Option<ReceiverNodes>,
        /// Most messages. What is more is held back, and counted in the next message.
        limit: Option<MessageLimit>,
    }
}

crate::record! {
    /// Who is told, and how. What isn't said is written by itself.
    pub struct ReceiverRecord as "a receiver" {
        /// A connection of kind `webhook` or `smtp`.
        connection: Spanned<String>,
        /// What is said, as a template: it may read `event`, `run`, `link` and `held` (messages that were
        /// held back before); for a failure `task.id`, `task.error`, `failed` and `log`, for a recovery
        /// `failures` and `since`, for a deadline `deadline`, `scheduled` and `begun`; in a DAG its `params`, too.
        text: Option<Spanned<String>>,
        /// What it is about, in a few words: the subject of an e-mail, the first line in a chat.
        title: Option<Spanned<String>>,
        /// Names and values that stand below the text.
        fields: Map<FieldText>,
        /// The addresses of an e-mail, in place of the connection's.
        to: OneOrMany<Spanned<String>>,
        /// The channel of a chat, in place of the connection's.
        channel: Option<Spanned<String>>,
        /// The whole body that is posted to a webhook, in place of `{"text": …}`.
        json: Option<Node>,
    }
}

impl NotificationsRecord {
    /// Where it says who is told when a run isn't over in time.
    #[must_use]
    pub fn told_of_deadlines(&self) -> Option<Span> {
        first_place(self.deadline.as_ref())
    }
}

impl DagNotificationsRecord {
    /// Where it says who is told when a run isn't over in time.
    #[must_use]
    pub fn told_of_deadlines(&self) -> Option<Span> {
        first_place(self.deadline.as_ref())
    }
}

fn first_place(receivers: Option<&ReceiverNodes>) -> Option<Span> {
    let ReceiverNodes(receivers) = receivers?;
    receivers.first().map(|receiver| receiver.span)
}

/// One receiver or several.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiverNodes(Vec<ReceiverRecord>);

impl FromNode for ReceiverNodes {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::List(items) => {
                let read: Vec<_> = items.iter().map(|item| receiver(item, report)).collect();
                read.into_iter().collect::<Option<_>>().map(Self)
            }
            _ => receiver(node, report).map(|receiver| Self(vec![receiver])),
        }
    }

    fn schema() -> Schema {
        let one = json_schema!({ "anyOf": [{ "type": "string" }, ReceiverRecord::schema()] });
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
    }
}

fn receiver(node: &Node, report: &mut Report) -> Option<ReceiverRecord> {
    match &node.value {
        Value::Text(_) => Some(ReceiverRecord {
            span: node.span,
            connection: Spanned::from_node(node, report)?,
            text: None,
            title: None,
            fields: Map::default(),
            to: OneOrMany(Vec::new()),
            channel: None,
            json: None,
        }),
        Value::Map(_) => ReceiverRecord::from_node(node, report),
        _ => {
            report.expected("the name of a connection, or a map with `connection`", node);
            None
        }
    }
}

/// So many messages in a time: `10/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimit {
    pub most: u32,
    pub window: Duration,
}

impl MessageLimit {
    /// Where nothing is said.
    pub const USUAL: Self = Self {
        most: 10,
        window: Duration::from_hours(1),
    };

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no limit: write how many in which time, as in `10/h`");
        let (most, unit) = text.split_once('/').ok_or_else(wrong)?;
        let most: NonZeroU32 = most.trim().parse().map_err(|_| wrong())?;
        let window = match unit.trim() {
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            "d" => Duration::from_hours(24),
            other => {
                return Err(format!(
                    "`{other}` is no unit of time here: use `m`, `h` or `d`, as in `10/h`"
                ));
            }
        };
        let most = most.get();
        Ok(Self { most, window })
    }
}

impl FromNode for MessageLimit {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        read_unit(node, report, "a limit such as `10/h`", Self::parse)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^\s*[1-9]\d*\s*/\s*(m|h|d)\s*$", "examples": ["10/h"] })
    }
}

/// Who is told what. `None`: nothing is said about it here.
#[derive(Debug, Clone, Default)]
pub struct Notifications {
    receivers: [Option<Arc<[MessageTemplate]>>; 3],
    pub limit: Option<MessageLimit>,
    /// Where people see runs, without a slash at its end.
    pub link: Option<String>,
    /// Where runner.yaml says who is told of a deadline.
    pub deadlines: Option<Span>,
}

fn place(occasion: Occasion) -> usize {
    match occasion {
        Occasion::Failure => 0,
        Occasion::Recovery => 1,
        Occasion::Deadline => 2,
    }
}

impl Notifications {
    /// Who is told; `None` when nothing is said here. A message without `text` and `json` is to be
    /// written by itself.
    #[must_use]
    pub fn receivers(&self, occasion: Occasion) -> Option<&Arc<[MessageTemplate]>> {
        self.receivers[place(occasion)].as_ref()
    }
}

/// Reads what runner.yaml says.
pub fn read_notifications(
    record: &NotificationsRecord,
    view: &mut dyn ProjectView,
    report: &mut Report,
) -> Notifications {
    let nodes = [&record.failure, &record.recovery, &record.deadline];
    let link = record.link.as_ref().and_then(|link| {
        let fine = link.starts_with("https://") || link.starts_with("http://");
        if !fine {
            report.push(
                Diagnostic::error("invalid-url", "this is no address", link.span)
                    .label("expected a URL such as `https://runner.example.com`"),
            );
        }
        fine.then(|| link.trim_end_matches('/').to_owned())
    });
    Notifications {
        receivers: read_all(nodes, None, view, report),
        limit: Some(record.limit),
        link,
        deadlines: record.told_of_deadlines(),
    }
}

/// Reads what a DAG says. `params` are the names of its parameters.
pub fn read_dag_notifications(
    record: &DagNotificationsRecord,
    params: &[String],
    view: &mut dyn ProjectView,
    report: &mut Report,
) -> Notifications {
    let nodes = [&record.failure, &record.recovery, &record.deadline];
    Notifications {
        receivers: read_all(nodes, Some(params), view, report),
        limit: record.limit,
        link: None,
        deadlines: None,
    }
}

fn read_all(
    nodes: [&Option<ReceiverNodes>; 3],
    params: Option<&[String]>,
    view: &mut dyn ProjectView,
    report: &mut Report,
) -> [Option<Arc<[MessageTemplate]>>; 3] {
    let mut found = [None, None, None];
    for occasion in Occasion::ALL {
        let Some(ReceiverNodes(receivers)) = nodes[place(occasion)] else {
            continue;
        };
        let scope = scope(occasion, params);
        let read = receivers
            .iter()
            .filter_map(|receiver| read_receiver(receiver, &scope, view, report));
        found[place(occasion)] = Some(read.collect());
    }
    found
}

fn read_receiver(
    record: &ReceiverRecord,
    scope: &Shape,
    view: &mut dyn ProjectView,
    report: &mut Report,
) -> Option<MessageTemplate> {
    let nobody = TaskId::new("notifications").ok()?;
    let mut surroundings = Surroundings {
        report,
        project: view,
        task: &nobody,
        scope,
        params: &[],
        graph: &NoTasks,
        reads: BTreeSet::new(),
    };
    let parts = MessageParts {
        connection: &record.connection,
        text: record.text.as_ref(),
        title: record.title.as_ref(),
        fields: &record.fields,
        to: &record.to.0,
        channel: record.channel.as_ref(),
        json: record.json.as_ref(),
    };
    MessageTemplate::read(&parts, &mut surroundings)
}

/// What messages may read.
fn scope(occasion: Occasion, params: Option<&[String]>) -> Shape {
    let names = |names: &[&str]| {
        let names = names.iter();
        names.fold(Shape::empty(), |shape, name| shape.with(name, Shape::Any))
    };
    let run = names(&["id", "dag", "logical_time", "trigger", "took"])
        .with("data_interval", names(&["start", "end"]));
    let mut scope = names(&["event", "link", "held"]).with("run", run);
    if let Some(params) = params {
        let params: Vec<&str> = params.iter().map(String::as_str).collect();
        scope = scope.with("params", names(&params));
    }
    match occasion {
        Occasion::Failure => scope
            .with("task", names(&["id", "error"]))
            .with("failed", Shape::Any)
            .with("log", Shape::Any),
        Occasion::Recovery => scope.with("failures", Shape::Any).with("since", Shape::Any),
        Occasion::Deadline => scope
            .with("deadline", Shape::Any)
            .with("scheduled", Shape::Any)
            .with("begun", Shape::Any),
    }
}

/// A message isn't a task: it reads no outputs.
pub(super) struct NoTasks;

impl GraphView for NoTasks {
    fn is_task(&self, _: &str) -> bool {
        false
    }
    fn is_upstream(&self, _: &str) -> bool {
        false
    }
    fn upstream(&self) -> Vec<String> {
        Vec::new()
    }
    fn tasks(&self) -> Vec<String> {
        Vec::new()
    }
}

//! Spans and logs as OTLP's messages (`opentelemetry/proto/…/v1`). Numbers of fields are theirs.

use super::record::{Attribute, LogLine, Severity, Span, Value};
use super::wire::Message;
use crate::model::Timestamp;

fn nanoseconds(at: Timestamp) -> u64 {
    let nanoseconds = at.timestamp_nanos_opt().unwrap_or(0);
    u64::try_from(nanoseconds).unwrap_or(0)
}

fn attribute(name: &str, value: &Value) -> Message {
    let mut any = Message::default();
    match value {
        Value::Text(text) => any.part(1, text),
        Value::Number(number) => any.number(3, number.cast_unsigned()),
    };
    let mut pair = Message::default();
    pair.part(1, name).message(2, &any);
    pair
}

/// Who sends: `Resource`.
fn resource(attributes: &[(String, String)]) -> Message {
    let mut resource = Message::default();
    for (name, value) in attributes {
        resource.message(1, &attribute(name, &Value::Text(value.clone())));
    }
    resource
}

fn scope() -> Message {
    let mut scope = Message::default();
    scope.part(1, "runner").part(2, env!("CARGO_PKG_VERSION"));
    scope
}

/// `ExportTraceServiceRequest`, or `ExportLogsServiceRequest`: they have the same shape.
fn request(of: &[(String, String)], records: impl Iterator<Item = Message>) -> Vec<u8> {
    let mut scoped = Message::default();
    scoped.message(1, &scope());
    for record in records {
        scoped.message(2, &record);
    }
    let mut all = Message::default();
    all.message(1, &resource(of)).message(2, &scoped);
    let mut request = Message::default();
    request.message(1, &all);
    request.bytes()
}

/// Spans as the body of a request.
pub(super) fn spans(of: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    request(of, spans.iter().map(span))
}

/// Lines of logs as the body of a request.
pub(super) fn logs(of: &[(String, String)], lines: &[LogLine]) -> Vec<u8> {
    request(of, lines.iter().map(line))
}

fn attributes(message: &mut Message, field: u32, all: &[Attribute]) {
    for (name, value) in all {
        message.message(field, &attribute(name, value));
    }
}

fn span(span: &Span) -> Message {
    let mut message = Message::default();
    message.part(1, span.trace).part(2, span.id);
    if let Some(parent) = &span.parent {
        message.part(4, parent);
    }
    message
        .part(5, &span.name)
        // Internal: it neither serves nor asks.
        .number(6, 1)
        .fixed(7, nanoseconds(span.start))
        .fixed(8, nanoseconds(span.end.max(span.start)));
    attributes(&mut message, 9, &span.attributes);
    for (trace, id) in &span.links {
        let mut link = Message::default();
        link.part(1, trace).part(2, id);
        message.message(13, &link);
    }
    let mut status = Message::default();
    match &span.status {
        Ok(()) => status.number(3, 1),
        Err(why) => status.part(2, why).number(3, 2),
    };
    message.message(15, &status);
    message
}

fn line(line: &LogLine) -> Message {
    let (number, word) = match line.severity {
        Severity::Info => (9, "INFO"),
        Severity::Warn => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    };
    let mut body = Message::default();
    body.part(1, &line.text);
    let mut message = Message::default();
    message
        .fixed(1, nanoseconds(line.at))
        .number(2, number)
        .part(3, word)
        .message(5, &body);
    let origin = &line.origin;
    let mut all = vec![
        ("runner.dag", Value::Text(origin.dag.to_string())),
        ("runner.run", Value::Text(origin.run.to_string())),
        ("runner.task", Value::Text(origin.task.to_string())),
        ("runner.attempt", Value::Number(i64::from(origin.attempt))),
    ];
    if let Some(stream) = line.stream {
        all.push(("log.iostream", Value::Text(stream.to_owned())));
    }
    attributes(&mut message, 6, &all);
    message
        .part(9, origin.trace)
        .part(10, origin.span)
        .fixed(11, nanoseconds(line.at));
    message
}

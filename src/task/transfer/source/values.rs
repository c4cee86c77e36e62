//! Records that stand in the pipeline itself.

use async_trait::async_trait;
use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::{Source, SourceKind};
use crate::data::csv::CsvDialect;
use crate::data::decode::{MessageDecoder, MessageFormat};
use crate::data::{Batch, Columns, DataError, RecordSource, Rejects};
use crate::document::{FromNode, Node, Report};
use crate::task::transfer::columns::Mapping;
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::{Consumer, Measured};
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::TemplateValue;

pub(super) const KIND: SourceKind = SourceKind {
    name: "list of values",
    doc: "Records that stand here.",
    selection: Selection {
        connections: &[],
        keys: &[],
        alone: &["values"],
    },
    schema: <FromValues as FromNode>::schema,
    parse,
};

crate::record! {
    /// Records that stand here.
    struct FromValues as "a `from` with values" {
        /// The records, with templates; or one template that gives a list of them.
        values: List,
    }
}

/// A list of maps, or a template.
#[derive(Debug, Clone, PartialEq)]
struct List(Node);

impl FromNode for List {
    fn from_node(node: &Node, _: &mut Report) -> Option<Self> {
        Some(Self(node.clone()))
    }

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [{ "type": "array", "items": { "type": "object" } }, { "type": "string" }]
        })
    }
}

#[derive(Debug)]
struct Values(TemplateValue);

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let from = FromValues::from_node(node, surroundings.report)?;
    let List(list) = &from.values;
    let value = surroundings.template_value(list)?;
    match &value {
        TemplateValue::Literal(Json::Array(_))
        | TemplateValue::Template(_)
        | TemplateValue::List(_) => Some(Box::new(Values(value))),
        TemplateValue::Literal(_) | TemplateValue::Map(_) => {
            surroundings.report.expected("a list of records", list);
            None
        }
    }
}

#[async_trait]
impl Source for Values {
    async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        _: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let Self(values) = self;
        let Json::Array(records) = values.evaluate(&attempt.scope)? else {
            return Err(TaskFailure::permanent("`values` is no list of records"));
        };
        let mut decoder = MessageDecoder::new(
            MessageFormat::Json,
            mapping.wanted(),
            &[],
            CsvDialect::default(),
        );
        // Columns and their kinds are known before the first row.
        let mut bytes = 0;
        for _ in 0..2 {
            drop(decoder.take());
            for (at, record) in records.iter().enumerate() {
                let text = record.to_string();
                bytes += text.len() as u64;
                decoder
                    .add(Some(text.as_bytes()), &String::new)
                    .map_err(|reason| {
                        TaskFailure::permanent(format!("value {}: {reason}", at + 1))
                    })?;
            }
        }
        let mut segments = decoder.take();
        let Some(segment) = segments.pop() else {
            return Ok(0);
        };
        let source = Ready {
            columns: segment.columns,
            batches: segment.batches.into_iter(),
        };
        consumer
            .consume(&mut Measured::new(source, attempt, None))
            .await?;
        Ok(bytes / 2)
    }
}

struct Ready {
    columns: Columns,
    batches: std::vec::IntoIter<Batch>,
}

#[async_trait]
impl RecordSource for Ready {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        Ok(self.batches.next())
    }
}

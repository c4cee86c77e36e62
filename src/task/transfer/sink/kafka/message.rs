//! The message that a record becomes.

use serde_json::Value as Json;

use super::{TopicSink, Writing};
use crate::data::ndjson::NdjsonEncoder;
use crate::data::{Batch, BatchBuilder, Columns};
use crate::task::TaskFailure;
use crate::task::messages::Outgoing;
use crate::task::transfer::columns::Formula;
use crate::task::transfer::mapped::{BoundFormula, column};
use crate::template::Scope;

/// Makes messages of records with the same columns.
pub struct MessageWriter<'a> {
    scope: Scope,
    key: Option<BoundFormula<'a>>,
    headers: Vec<(&'a str, BoundFormula<'a>)>,
    partition: Option<BoundFormula<'a>>,
    timestamp: Option<BoundFormula<'a>>,
    writing: Writing,
    /// The columns of the value.
    columns: Vec<usize>,
    shape: Columns,
    encoder: NdjsonEncoder,
}

impl<'a> MessageWriter<'a> {
    /// Binds the templates of a sink to the columns that it gets.
    pub fn new(sink: &'a TopicSink, known: &Columns, scope: Scope) -> Result<Self, TaskFailure> {
        let bind = |formula: &'a Option<Formula>| {
            let bound = formula
                .as_ref()
                .map(|formula| BoundFormula::bind(formula, known));
            bound.transpose()
        };
        let columns: Vec<usize> = match &sink.value {
            Some(names) => names
                .iter()
                .map(|name| column(known, name))
                .collect::<Result<_, _>>()?,
            None => (0..known.len()).collect(),
        };
        if sink.writing == Writing::Text && columns.len() != 1 {
            return Err(TaskFailure::permanent(format!(
                "`format: text` writes one column, the records have {}: name it under `value`",
                columns.len()
            )));
        }
        let headers: Result<Vec<_>, TaskFailure> = sink
            .headers
            .iter()
            .map(|(name, formula)| Ok((name.as_str(), BoundFormula::bind(formula, known)?)))
            .collect();
        let shape: Columns = columns.iter().map(|at| known[*at].clone()).collect();
        Ok(Self {
            scope,
            key: bind(&sink.key)?,
            headers: headers?,
            partition: bind(&sink.partition)?,
            timestamp: bind(&sink.timestamp)?,
            writing: sink.writing,
            columns,
            encoder: NdjsonEncoder::new(&shape),
            shape,
        })
    }

    /// The message of a record; what hinders it, when its templates give nothing of use.
    pub fn message(&mut self, batch: &Batch, row: usize) -> Result<Outgoing, String> {
        let scope = &mut self.scope;
        let mut value = |name: &str, formula: &BoundFormula<'_>| {
            formula
                .evaluate(scope, batch, row)
                .map_err(|error| format!("`{name}`: {error}"))
        };
        let mut message = Outgoing::default();
        if let Some(key) = &self.key {
            message.key = text(value("key", key)?);
        }
        for (name, formula) in &self.headers {
            let value = text(value(name, formula)?);
            message.headers.push(((*name).to_owned(), value));
        }
        if let Some(partition) = &self.partition {
            message.partition = partition_of(&value("partition", partition)?)?;
        }
        if let Some(timestamp) = &self.timestamp {
            message.timestamp = milliseconds(&value("timestamp", timestamp)?)?;
        }
        message.value = match self.writing {
            Writing::Text => batch.cell(row, self.columns[0]).map(<[u8]>::to_vec),
            Writing::Json => {
                let mut builder = BatchBuilder::new(self.shape.clone());
                for at in &self.columns {
                    builder.push(batch.cell(row, *at));
                }
                let mut text = Vec::new();
                self.encoder.encode(&builder.take(), &mut text);
                text.pop();
                Some(text)
            }
        };
        Ok(message)
    }
}

/// A text as it is, anything else as JSON.
fn text(value: Json) -> Option<Vec<u8>> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

fn partition_of(value: &Json) -> Result<Option<i32>, String> {
    let number = match value {
        Json::Null => return Ok(None),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    match number.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(format!("`partition` is a number from 0, not `{number}`")),
    }
}

fn milliseconds(value: &Json) -> Result<Option<i64>, String> {
    match value {
        Json::Null => Ok(None),
        Json::Number(number) if number.as_i64().is_some() => Ok(number.as_i64()),
        Json::String(text) => text
            .parse::<crate::model::Timestamp>()
            .map(|time| Some(time.timestamp_millis()))
            .or_else(|_| text.parse().map(Some))
            .map_err(|_| format!("`timestamp` is a time or milliseconds since 1970, not `{text}`")),
        other => Err(format!(
            "`timestamp` is a time or milliseconds since 1970, not `{other}`"
        )),
    }
}

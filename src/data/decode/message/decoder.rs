//! From the bytes of a message to rows.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::staged::{Segment, Stage};
use crate::data::ColumnKind;
use crate::data::csv::{CsvDialect, each_row};
use crate::data::decode::hexadecimal::hexadecimal;
use crate::data::ndjson::{Cell, Wanted, read_object};

crate::choice! {
    /// What is in a message.
    pub enum MessageFormat as "format" {
        /// A JSON object, or an array of objects, each a record.
        Json = "json",
        /// JSON objects, one a line.
        Ndjson = "ndjson",
        /// Lines of fields without a header; `columns` names them.
        Csv = "csv",
        /// A text: a record with the column `value`.
        Text = "text",
        /// Any bytes: a record with the column `value`, in PostgreSQL's notation `\x6869`.
        Raw = "raw",
    }
}

/// Turns messages into rows. Columns and their kinds are found on the way: rows whose columns
/// differ come in segments of their own.
#[derive(Debug)]
pub struct MessageDecoder {
    format: MessageFormat,
    stage: Stage,
    /// Keys that aren't columns yet: all of them, or some.
    open: Open,
    /// The column for what is known about the message itself.
    about: Option<usize>,
    /// The names of CSV's fields, as columns; `None` is a field that nobody wants.
    fields: Vec<Option<usize>>,
    dialect: CsvDialect,
}

#[derive(Debug)]
enum Open {
    None,
    Some(BTreeSet<String>),
    All,
}

/// The name of the column for a message's own key, offset and so on.
pub const ABOUT: &str = "kafka";

impl MessageDecoder {
    /// A decoder. `fields` are the names of CSV's fields.
    #[must_use]
    pub fn new(
        format: MessageFormat,
        wanted: Wanted,
        fields: &[String],
        dialect: CsvDialect,
    ) -> Self {
        let (mut names, open): (Vec<String>, Open) = match wanted {
            Wanted::Columns(columns) => {
                let names = columns.iter().map(|column| column.name.to_string());
                (names.collect(), Open::None)
            }
            Wanted::Keys { keys, perhaps } if perhaps.is_empty() => (keys, Open::None),
            Wanted::Keys { keys, perhaps } => (keys, Open::Some(perhaps.into_iter().collect())),
            Wanted::All => (Vec::new(), Open::All),
        };
        let all = matches!(open, Open::All);
        if all {
            match format {
                MessageFormat::Json | MessageFormat::Ndjson => {}
                MessageFormat::Csv => names.extend(fields.iter().cloned()),
                MessageFormat::Text | MessageFormat::Raw => names.push("value".to_owned()),
            }
        }
        let about = names.iter().position(|name| name == ABOUT);
        let stage = Stage::new(names);
        Self {
            fields: fields.iter().map(|name| stage.find(name, 0)).collect(),
            stage,
            format,
            open,
            about,
            dialect,
        }
    }

    /// Adds the records of a message, all or none, and says how many they are. `about` gives what
    /// is known about the message, as a JSON object.
    ///
    /// # Errors
    /// Why it can't be read.
    pub fn add(
        &mut self,
        value: Option<&[u8]>,
        about: &dyn Fn() -> String,
    ) -> Result<usize, String> {
        let Some(value) = value else {
            return Err("the message has no value".to_owned());
        };
        match self.read(value, about) {
            Ok(()) => Ok(self.stage.accept()),
            Err(reason) => {
                self.stage.forget();
                Err(reason)
            }
        }
    }

    /// The rows that were added since the last time.
    pub fn take(&mut self) -> Vec<Segment> {
        self.stage.take()
    }

    fn read(&mut self, value: &[u8], about: &dyn Fn() -> String) -> Result<(), String> {
        match self.format {
            MessageFormat::Json => match value.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'[') => {
                    let items: Vec<&RawValue> = serde_json::from_slice(value)
                        .map_err(|error| format!("no JSON: {error}"))?;
                    for (at, item) in items.iter().enumerate() {
                        self.object(item.get().as_bytes(), about)
                            .map_err(|reason| format!("item {at}: {reason}"))?;
                    }
                    Ok(())
                }
                _ => self.object(value, about),
            },
            MessageFormat::Ndjson => {
                let lines = value.split(|byte| *byte == b'\n');
                for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
                    self.object(line, about)?;
                }
                Ok(())
            }
            MessageFormat::Csv => self.csv(value, about),
            MessageFormat::Text => {
                let text = std::str::from_utf8(value)
                    .map_err(|error| format!("byte {} isn't UTF-8", error.valid_up_to() + 1))?;
                self.single(text.as_bytes(), about);
                Ok(())
            }
            MessageFormat::Raw => {
                self.single(&hexadecimal(value), about);
                Ok(())
            }
        }
    }

    fn object(&mut self, text: &[u8], about: &dyn Fn() -> String) -> Result<(), String> {
        let (stage, open, mut near) = (&mut self.stage, &self.open, 0);
        let own = self.about;
        read_object(text, |key, value| {
            let found = match stage.find(&key, near) {
                Some(at) => at,
                None if open.takes(&key) => stage.add_column(&key),
                None => return Ok(()),
            };
            near = found + 1;
            let cell = Cell::of(value);
            if let (Some(text), Some(kind)) = (cell.text, cell.kind)
                && Some(found) != own
            {
                stage.value(found, text.as_bytes(), kind);
            }
            Ok(())
        })?;
        self.end_row(about);
        Ok(())
    }

    fn csv(&mut self, value: &[u8], about: &dyn Fn() -> String) -> Result<(), String> {
        let (stage, columns) = (&mut self.stage, &self.fields);
        let own = self.about;
        each_row(value, &self.dialect, |fields| {
            let mut width = 0;
            for (at, field) in fields.enumerate() {
                width = at + 1;
                if let (Some(Some(column)), Some(field)) = (columns.get(at), field) {
                    if std::str::from_utf8(field).is_err() {
                        return Err(format!("field {} isn't UTF-8", at + 1));
                    }
                    stage.value(*column, field, ColumnKind::Text);
                }
            }
            if width != columns.len() {
                return Err(format!("{width} fields, expected {}", columns.len()));
            }
            if let Some(own) = own {
                stage.value(own, about().as_bytes(), ColumnKind::Json);
            }
            stage.end_row();
            Ok(())
        })
    }

    fn single(&mut self, text: &[u8], about: &dyn Fn() -> String) {
        if let Some(column) = self.stage.find("value", 0) {
            self.stage.value(column, text, ColumnKind::Text);
        }
        self.end_row(about);
    }

    fn end_row(&mut self, about: &dyn Fn() -> String) {
        if let Some(own) = self.about {
            self.stage.value(own, about().as_bytes(), ColumnKind::Json);
        }
        self.stage.end_row();
    }
}

impl Open {
    fn takes(&self, key: &str) -> bool {
        match self {
            Self::None => false,
            Self::Some(keys) => keys.contains(key),
            Self::All => true,
        }
    }
}

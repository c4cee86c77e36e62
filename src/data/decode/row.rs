//! From a record's text to the cells of a row.

use std::collections::HashMap;
use std::sync::Arc;

use super::valid::{self, Key};
use crate::data::ndjson::{Wanted, join_kinds};
use crate::data::{BatchBuilder, Column, ColumnKind, Columns};

/// Makes rows of records. Their columns are settled by the first of them.
pub(super) struct RowDecoder {
    wanted: Wanted,
    extra: Columns,
    /// What was seen of the first records: name, kind.
    seen: Vec<(String, Option<ColumnKind>)>,
    seen_index: HashMap<String, usize>,
    settled: Option<Settled>,
}

struct Settled {
    columns: Columns,
    /// How many of them are the record's own.
    own: usize,
    index: HashMap<Arc<str>, usize>,
    strict: bool,
    /// The keys of the last record as they were written, and their columns: those of the next
    /// one are mostly the same, in the same order.
    order: Vec<(Vec<u8>, Option<usize>)>,
    cells: Vec<Option<(usize, usize)>>,
}

impl RowDecoder {
    pub(super) fn new(wanted: Wanted, extra: Columns) -> Self {
        let mut decoder = Self {
            wanted,
            extra,
            seen: Vec::new(),
            seen_index: HashMap::new(),
            settled: None,
        };
        if let Wanted::Columns(columns) = &decoder.wanted {
            let columns = columns.to_vec();
            decoder.settle_as(columns, false);
        }
        decoder
    }

    /// The columns, once they are settled.
    pub(super) fn columns(&self) -> Option<&Columns> {
        self.settled.as_ref().map(|settled| &settled.columns)
    }

    /// Looks at one of the first records. It has been checked to be JSON.
    pub(super) fn observe(&mut self, record: &[u8]) {
        let (seen, index) = (&mut self.seen, &mut self.seen_index);
        valid::parts(record, |key, value| {
            let name = key.name();
            let at = if let Some(at) = index.get(&*name) {
                *at
            } else {
                index.insert(name.clone().into_owned(), seen.len());
                seen.push((name.into_owned(), None));
                seen.len() - 1
            };
            let known = &mut seen[at].1;
            *known = match (*known, valid::kind(&record[value])) {
                (Some(a), Some(b)) => Some(join_kinds(a, b)),
                (known, kind) => known.or(kind),
            };
        });
    }

    /// Settles the columns with what was seen.
    pub(super) fn settle(&mut self) {
        if self.settled.is_some() {
            return;
        }
        let kind_of = |name: &str| {
            let at = self.seen_index.get(name)?;
            Some(self.seen[*at].1.unwrap_or(ColumnKind::Text))
        };
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
        };
        let (columns, strict) = match &self.wanted {
            Wanted::Columns(columns) => (columns.to_vec(), false),
            Wanted::Keys { keys, perhaps } => {
                let certain = keys
                    .iter()
                    .map(|key| column(key, kind_of(key).unwrap_or(ColumnKind::Text)));
                let perhaps = perhaps
                    .iter()
                    .filter_map(|key| Some(column(key, kind_of(key)?)));
                (certain.chain(perhaps).collect(), false)
            }
            Wanted::All => {
                let all = self
                    .seen
                    .iter()
                    .map(|(name, kind)| column(name, kind.unwrap_or(ColumnKind::Text)));
                (all.collect(), true)
            }
        };
        self.settle_as(columns, strict);
    }

    /// Settles the columns as a header says.
    pub(super) fn settle_as(&mut self, mut columns: Vec<Column>, strict: bool) {
        // Names that the document brings count more than those of its records.
        columns.retain(|column| self.extra.iter().all(|extra| extra.name != column.name));
        let own = columns.len();
        columns.extend(self.extra.iter().cloned());
        let index = columns[..own].iter().enumerate();
        self.settled = Some(Settled {
            own,
            index: index
                .map(|(at, column)| (column.name.clone(), at))
                .collect(),
            strict,
            order: Vec::new(),
            cells: vec![None; own],
            columns: columns.into(),
        });
        self.seen = Vec::new();
        self.seen_index = HashMap::new();
    }

    /// Adds the row of a record, which has been checked to be JSON, and the values of the extra
    /// columns. When it doesn't fit nothing is added, and the error says why.
    pub(super) fn decode(
        &mut self,
        record: &[u8],
        extra: &[Option<Vec<u8>>],
        builder: &mut BatchBuilder,
    ) -> Result<(), String> {
        self.settle();
        let Some(settled) = &mut self.settled else {
            return Ok(());
        };
        settled.cells.fill(None);
        let mut number = 0;
        let mut unknown: Option<Key<'_>> = None;
        let hidden = &self.extra;
        valid::parts(record, |key, value| {
            let column = settled.column(key, number);
            number += 1;
            match column {
                Some(at) => settled.cells[at] = Some((value.start, value.end)),
                None if settled.strict && unknown.is_none() => {
                    let name = key.name();
                    if hidden.iter().all(|column| *column.name != *name) {
                        unknown = Some(key);
                    }
                }
                None => {}
            }
        });
        if let Some(key) = unknown {
            return Err(match key {
                Key::Value => {
                    "it is neither an object nor an array, as the first records are".to_owned()
                }
                key => format!(
                    "key `{}` is new, no earlier record has it: name the keys to take under `columns:`",
                    key.name()
                ),
            });
        }
        for (cell, column) in settled.cells.iter().zip(settled.columns.iter()) {
            let value = cell.and_then(|(start, end)| valid::cell(&record[start..end], column.kind));
            builder.push(value.as_deref());
        }
        push_extra(&self.extra, extra, builder);
        Ok(())
    }

    /// Adds a row whose cells are known by the names in `header`.
    pub(super) fn push_fields<'a>(
        &mut self,
        header: &Columns,
        fields: impl Iterator<Item = Option<&'a [u8]>>,
        extra: &[Option<Vec<u8>>],
        builder: &mut BatchBuilder,
    ) {
        self.settle();
        let Some(settled) = &mut self.settled else {
            return;
        };
        let own = &settled.columns[..settled.own];
        let same = own.len() == header.len()
            && own.iter().zip(header.iter()).all(|(a, b)| a.name == b.name);
        if same {
            fields.for_each(|field| builder.push(field));
        } else {
            let fields: Vec<_> = fields.collect();
            for column in own {
                let at = header.iter().position(|named| named.name == column.name);
                builder.push(at.and_then(|at| fields.get(at).copied().flatten()));
            }
        }
        push_extra(&self.extra, extra, builder);
    }
}

fn push_extra(columns: &Columns, values: &[Option<Vec<u8>>], builder: &mut BatchBuilder) {
    for at in 0..columns.len() {
        builder.push(values.get(at).and_then(|value| value.as_deref()));
    }
}

impl Settled {
    /// The column of a record's key, the `number`-th of the record.
    fn column(&mut self, key: Key<'_>, number: usize) -> Option<usize> {
        let Key::Name(raw) = key else {
            return self.index.get(&*key.name()).copied();
        };
        if let Some((known, column)) = self.order.get(number)
            && known == raw
        {
            return *column;
        }
        let column = self.index.get(&*key.name()).copied();
        // A record with ever other keys isn't worth remembering.
        if number < 10_000 && raw.len() < 1000 {
            let entry = (raw.to_vec(), column);
            if number < self.order.len() {
                self.order[number] = entry;
            } else if number == self.order.len() {
                self.order.push(entry);
            }
        }
        column
    }
}

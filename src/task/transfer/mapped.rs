//! Records made of other records.

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::cell_type::CellType;
use super::columns::{Field, FieldValue, Formula, Mapping};
use super::path::{Step, follow};
use super::values::{Row, fill, from_json, push};
use crate::data::ndjson::{Cell, join_kinds};
use crate::data::{
    Batch, BatchBuilder, Column, ColumnKind, Columns, DataError, Lines, Mark, Place, RecordSource,
    Reject, Rejects,
};
use crate::document::nearest;
use crate::task::TaskFailure;
use crate::template::{Compiled, Scope, TemplateError};

/// The records of a source, mapped and filtered.
pub(super) struct Mapped<'a> {
    source: &'a mut dyn RecordSource,
    fields: Vec<Bound<'a>>,
    filter: Option<BoundFormula<'a>>,
    scope: Scope,
    rejects: Option<Rejects>,
    columns: Columns,
    /// Rows mapped before the columns were known.
    begun: Option<Batch>,
    /// Rows of the source that were read.
    read: u64,
    written: u64,
    /// Which row of the source a row came from, as its line.
    origin: Lines,
    /// The records before a mistake are handed out before it is told.
    failure: Option<DataError>,
}

struct Bound<'a> {
    target: &'a str,
    value: Value<'a>,
    r#type: Option<CellType>,
    required: bool,
}

enum Value<'a> {
    Column(usize),
    Path(usize, &'a [Step]),
    Formula(BoundFormula<'a>),
}

/// A formula and the columns of a source that it reads.
pub(super) struct BoundFormula<'a> {
    template: Compiled<'a>,
    /// Names in scope and the columns they stand for.
    names: Vec<(&'a str, usize)>,
}

impl<'a> BoundFormula<'a> {
    /// Binds a formula to the columns of a source.
    pub(super) fn bind(formula: &'a Formula, known: &Columns) -> Result<Self, TaskFailure> {
        let names: Result<_, TaskFailure> = formula
            .columns
            .iter()
            .map(|name| {
                let at = find(known, name).ok_or_else(|| unknown(name, known))?;
                Ok((name.as_str(), at))
            })
            .collect();
        Ok(Self {
            template: formula.template.compile()?,
            names: names?,
        })
    }

    /// The columns that it reads, by their place.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.names.iter().map(|(_, at)| *at)
    }

    /// Its value for a row. The columns stay in `scope` for the next row to replace them.
    pub(super) fn evaluate(
        &self,
        scope: &mut Scope,
        batch: &Batch,
        row: usize,
    ) -> Result<Json, TemplateError> {
        fill(scope, &self.names, batch, row);
        self.template.evaluate(scope)
    }

    /// Whether it's true for a row.
    pub(super) fn is_true(
        &self,
        scope: &mut Scope,
        batch: &Batch,
        row: usize,
    ) -> Result<bool, TemplateError> {
        fill(scope, &self.names, batch, row);
        self.template.is_true(scope)
    }
}

/// Why a row has no new cells: the column of the target, its value, the reason.
struct Misfit {
    column: Option<String>,
    value: Option<String>,
    reason: String,
}

impl<'a> Mapped<'a> {
    /// Binds a mapping to a source and maps its first batch, which tells the kinds of the columns.
    pub(super) async fn open(
        source: &'a mut dyn RecordSource,
        mapping: &'a Mapping,
        scope: Scope,
        rejects: Option<Rejects>,
    ) -> Result<Self, TaskFailure> {
        let known = source.columns().clone();
        let (fields, columns) = match &mapping.fields {
            Some(fields) => {
                let bound: Result<Vec<_>, TaskFailure> =
                    fields.iter().map(|field| bind(field, &known)).collect();
                let bound = bound?;
                let column = |field: &Bound<'_>| Column {
                    name: field.target.into(),
                    kind: fixed_kind(field, &known).unwrap_or(ColumnKind::Text),
                };
                let columns = bound.iter().map(column).collect();
                (bound, columns)
            }
            None => (Vec::new(), known.clone()),
        };
        let filter = match &mapping.filter {
            Some(filter) => Some(BoundFormula::bind(filter, &known)?),
            None => None,
        };
        let open: Vec<usize> = (0..fields.len())
            .filter(|at| fixed_kind(&fields[*at], &known).is_none())
            .collect();
        let mut mapped = Self {
            source,
            fields,
            filter,
            scope,
            rejects,
            columns,
            begun: None,
            read: 0,
            written: 0,
            origin: Lines::default(),
            failure: None,
        };
        if !open.is_empty() {
            mapped.begin(&open).await?;
        }
        Ok(mapped)
    }

    /// Maps the first batch that has rows, and settles the kinds of the columns in `open`.
    async fn begin(&mut self, open: &[usize]) -> Result<(), TaskFailure> {
        while let Some(batch) = self.source.next().await? {
            let mut rows = Vec::new();
            self.map(&batch, |row| rows.push(row));
            if rows.is_empty() && self.failure.is_none() {
                continue;
            }
            let mut columns = self.columns.to_vec();
            for &at in open {
                let kinds = rows.iter().filter_map(|row| row[at].1);
                columns[at].kind = kinds.reduce(join_kinds).unwrap_or(ColumnKind::Text);
            }
            self.columns = columns.into();
            let mut builder = BatchBuilder::new(self.columns.clone());
            for row in rows {
                push(&mut builder, row, &self.columns);
            }
            self.begun = (!builder.is_empty()).then(|| builder.take());
            break;
        }
        Ok(())
    }

    /// Maps the rows of a batch up to a mistake.
    fn map(&mut self, batch: &Batch, mut each: impl FnMut(Row)) {
        let first = self.read;
        self.read += batch.rows() as u64;
        for row in 0..batch.rows() {
            let origin = first + row as u64;
            match self.map_row(batch, row) {
                Ok(Some(cells)) => {
                    self.origin.add(Mark {
                        row: self.written,
                        file: 0,
                        line: origin,
                    });
                    self.written += 1;
                    each(cells);
                }
                Ok(None) => {}
                Err(misfit) => {
                    let reject = Reject {
                        place: self.source.place(origin),
                        column: misfit.column,
                        value: misfit.value,
                        reason: misfit.reason,
                        record: Json::Object(batch.row_as_json(row)).to_string(),
                    };
                    let Some(rejects) = &self.rejects else {
                        self.failure = Some(reject.into());
                        return;
                    };
                    rejects.add(reject);
                }
            }
        }
    }

    /// The new cells of a row; `None` when it is filtered out.
    fn map_row(&mut self, batch: &Batch, row: usize) -> Result<Option<Row>, Misfit> {
        if let Some(filter) = &self.filter {
            let keep = filter
                .is_true(&mut self.scope, batch, row)
                .map_err(|error| Misfit {
                    column: None,
                    value: None,
                    reason: format!("`where`: {error}"),
                })?;
            if !keep {
                return Ok(None);
            }
        }
        if self.fields.is_empty() {
            let cells = batch.row(row).zip(batch.columns().iter());
            let keep = |(cell, column): (Option<&[u8]>, &Column)| {
                let cell = cell.map(|cell| String::from_utf8_lossy(cell).into_owned());
                (cell, Some(column.kind))
            };
            return Ok(Some(cells.map(keep).collect()));
        }
        let scope = &mut self.scope;
        self.fields
            .iter()
            .map(|field| field.cell(batch, row, scope))
            .collect::<Result<Row, _>>()
            .map(Some)
    }
}

impl Bound<'_> {
    fn cell(
        &self,
        batch: &Batch,
        row: usize,
        scope: &mut Scope,
    ) -> Result<(Option<String>, Option<ColumnKind>), Misfit> {
        let misfit = |value: Option<&str>, reason: String| Misfit {
            column: Some(self.target.to_owned()),
            value: value.map(str::to_owned),
            reason,
        };
        let (text, kind) = match &self.value {
            Value::Column(at) => {
                let cell = batch.cell(row, *at).map(String::from_utf8_lossy);
                (cell, Some(batch.columns()[*at].kind))
            }
            Value::Path(at, steps) => match batch.cell(row, *at) {
                None => (None, None),
                Some(cell) => {
                    let json = std::str::from_utf8(cell).unwrap_or_default();
                    let found = follow(json, steps).map_err(|reason| misfit(Some(json), reason))?;
                    let cell = found.map(Cell::of);
                    let kind = cell.as_ref().and_then(|cell| cell.kind);
                    (cell.and_then(|cell| cell.text), kind)
                }
            },
            Value::Formula(formula) => {
                let value = formula
                    .evaluate(scope, batch, row)
                    .map_err(|error| misfit(None, error.to_string()))?;
                let (text, kind) = from_json(value);
                (text.map(Cow::Owned), kind)
            }
        };
        if text.is_none() && self.required {
            return Err(misfit(None, "has no value".to_owned()));
        }
        let Some(r#type) = self.r#type else {
            return Ok((text.map(Cow::into_owned), kind));
        };
        let Some(text) = text else {
            return Ok((None, Some(r#type.kind())));
        };
        match r#type.read(&text) {
            Some(read) => Ok((Some(read.into_owned()), Some(r#type.kind()))),
            None => Err(misfit(Some(&text), format!("no {}", r#type.word()))),
        }
    }
}

fn bind<'a>(field: &'a Field, known: &Columns) -> Result<Bound<'a>, TaskFailure> {
    let value = match &field.value {
        FieldValue::Path(path) => {
            // A column may have dots in its very name.
            if let Some(at) = find(known, &path.text) {
                Value::Column(at)
            } else {
                let at = find(known, path.root()).ok_or_else(|| unknown(path.root(), known))?;
                match &path.steps[1..] {
                    [] => Value::Column(at),
                    steps => Value::Path(at, steps),
                }
            }
        }
        FieldValue::Formula(formula) => Value::Formula(BoundFormula::bind(formula, known)?),
    };
    Ok(Bound {
        target: &field.target,
        value,
        r#type: field.r#type,
        required: field.required,
    })
}

/// The column of a name.
pub(super) fn column(known: &Columns, name: &str) -> Result<usize, TaskFailure> {
    find(known, name).ok_or_else(|| unknown(name, known))
}

fn find(known: &Columns, name: &str) -> Option<usize> {
    known.iter().position(|column| &*column.name == name)
}

fn unknown(name: &str, known: &Columns) -> TaskFailure {
    let names = known.iter().map(|column| &*column.name);
    let hint = if let Some(near) = nearest(name, names.clone()) {
        format!("did you mean `{near}`?")
    } else {
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        format!("they have {}", names.join(", "))
    };
    TaskFailure::permanent(format!("the records have no `{name}`: {hint}"))
}

/// The kind of a field when its source says it.
fn fixed_kind(field: &Bound<'_>, known: &Columns) -> Option<ColumnKind> {
    match (&field.r#type, &field.value) {
        (Some(r#type), _) => Some(r#type.kind()),
        (None, Value::Column(at)) => Some(known[*at].kind),
        (None, _) => None,
    }
}

#[async_trait]
impl RecordSource for Mapped<'_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        if let Some(batch) = self.begun.take() {
            return Ok(Some(batch));
        }
        loop {
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            let Some(batch) = self.source.next().await? else {
                return Ok(None);
            };
            let columns = self.columns.clone();
            let mut builder = BatchBuilder::new(columns.clone());
            self.map(&batch, |row| push(&mut builder, row, &columns));
            if !builder.is_empty() {
                return Ok(Some(builder.take()));
            }
        }
    }

    fn place(&self, row: u64) -> Option<Place> {
        let (_, origin) = self.origin.find(row)?;
        self.source.place(origin)
    }
}

//! CSV files as rows.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::records::{Records, Trouble};
use super::{CsvDialect, header};
use crate::data::place::{Lines, Mark};
use crate::data::thread::{BadRow, Parser};
use crate::data::{BatchBuilder, Columns, DataError, InputFiles, Place, Reject};

/// Reads CSV files, one after the other.
pub struct CsvParser {
    files: InputFiles,
    names: Arc<[PathBuf]>,
    dialect: CsvDialect,
    columns: Columns,
    current: usize,
    records: Records<Box<dyn Read + Send>>,
}

impl CsvParser {
    /// Opens the first file and reads its header.
    ///
    /// # Errors
    /// It can't be opened, or its header can't be read.
    pub fn open(files: InputFiles, dialect: CsvDialect) -> Result<Self, DataError> {
        let (records, columns) = header::open(&files, 0, &dialect, None)?;
        Ok(Self {
            names: files.names(),
            files,
            dialect,
            columns,
            current: 0,
            records,
        })
    }

    fn place(&self, line: u64) -> Place {
        Place {
            file: self.names[self.current].clone(),
            line,
        }
    }

    fn reject(&self, line: u64, reason: String) -> Reject {
        Reject {
            place: Some(self.place(line)),
            column: None,
            value: None,
            reason,
            record: String::from_utf8_lossy(self.records.bytes()).into_owned(),
        }
    }

    /// Why the current record doesn't fit, if it doesn't.
    fn check(&self, line: u64) -> Option<Reject> {
        let expected = self.columns.len();
        let width = self.records.width();
        if width != expected {
            return Some(self.reject(
                line,
                format!(
                    "{}, expected {expected} ({})",
                    header::fields(width),
                    header::list(&self.columns)
                ),
            ));
        }
        if std::str::from_utf8(self.records.bytes()).is_ok() {
            return None;
        }
        let wrong = self
            .records
            .fields()
            .position(|field| field.is_some_and(|field| std::str::from_utf8(field).is_err()))
            .unwrap_or(0);
        let value = self.records.fields().nth(wrong).flatten();
        Some(Reject {
            column: Some(self.columns[wrong].name.to_string()),
            value: value.map(|value| String::from_utf8_lossy(value).into_owned()),
            ..self.reject(
                line,
                "not UTF-8: set `encoding:` to the file's own".to_owned(),
            )
        })
    }
}

impl Parser for CsvParser {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn files(&self) -> Arc<[PathBuf]> {
        self.names.clone()
    }

    fn row(
        &mut self,
        row: u64,
        builder: &mut BatchBuilder,
        lines: &mut Lines,
    ) -> Result<bool, BadRow> {
        loop {
            let before = self.records.line();
            match self.records.next() {
                Ok(Some(line)) => {
                    if let Some(reject) = self.check(line) {
                        return Err(BadRow::Reject(Box::new(reject)));
                    }
                    for field in self.records.fields() {
                        builder.push(field);
                    }
                    lines.add(Mark {
                        row,
                        file: u32::try_from(self.current).unwrap_or(u32::MAX),
                        line,
                    });
                    return Ok(true);
                }
                Ok(None) => {
                    if self.current + 1 == self.files.files.len() {
                        return Ok(false);
                    }
                    self.current += 1;
                    let (records, _) = header::open(
                        &self.files,
                        self.current,
                        &self.dialect,
                        Some(&self.columns),
                    )?;
                    self.records = records;
                }
                Err(Trouble::Read(error)) => {
                    return Err(DataError::file(&self.names[self.current], error).into());
                }
                Err(Trouble::Record(reason)) => {
                    return Err(BadRow::Reject(Box::new(
                        self.reject(before, reason.to_owned()),
                    )));
                }
                Err(Trouble::Lost(reason)) => {
                    return Err(DataError::record(self.place(before), reason).into());
                }
            }
        }
    }
}

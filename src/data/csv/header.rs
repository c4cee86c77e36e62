//! The names of a file's columns.

use std::io::Read;
use std::path::Path;

use super::CsvDialect;
use super::records::{Records, Trouble};
use crate::data::{Column, Columns, DataError, InputFiles, Place};

/// Opens one of the files and reads its header, when it has one. The first file says what the
/// columns are: `known` for the others.
pub(super) fn open(
    files: &InputFiles,
    index: usize,
    dialect: &CsvDialect,
    known: Option<&Columns>,
) -> Result<(Records<Box<dyn Read + Send>>, Columns), DataError> {
    let mut records = Records::new(files.open(index)?, dialect);
    let file = &files.files[index].shown;
    let columns = read(&mut records, dialect, file)?;
    if let Some(known) = known
        && *known != columns
    {
        let reason = format!(
            "the columns are {}, those of `{}` are {}",
            list(&columns),
            files.files[0].shown.display(),
            list(known)
        );
        let place = Place {
            file: file.clone(),
            line: 1,
        };
        return Err(DataError::record(place, &reason));
    }
    Ok((records, columns))
}

/// Reads the header, if there is to be one, and says what the columns are.
pub(in crate::data) fn read<R: Read>(
    records: &mut Records<R>,
    dialect: &CsvDialect,
    file: &Path,
) -> Result<Columns, DataError> {
    let wrong = |reason: &str| {
        let place = Place {
            file: file.to_owned(),
            line: 1,
        };
        DataError::record(place, reason)
    };
    let mut names = dialect.columns.clone();
    if dialect.header {
        match records.next() {
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(wrong(
                    "the file is empty: expected a line with the names of the columns",
                ));
            }
            Err(Trouble::Read(error)) => return Err(DataError::file(file, error)),
            Err(Trouble::Record(reason) | Trouble::Lost(reason)) => return Err(wrong(reason)),
        }
        let header = records
            .fields()
            .map(|field| std::str::from_utf8(field.unwrap_or_default()).map(str::to_owned))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong("the header isn't UTF-8: set `encoding:` to the file's own"))?;
        if let Some(names) = &names
            && names.len() != header.len()
        {
            return Err(wrong(&format!(
                "the header has {}, `columns:` names {}",
                fields(header.len()),
                names.len()
            )));
        }
        names.get_or_insert(header);
    }
    let names = names.ok_or_else(|| {
        wrong("without a header the names of the columns are needed: add `columns: [a, b]`")
    })?;
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(wrong(&format!("two columns are named `{name}`")));
        }
        if name.is_empty() {
            return Err(wrong(&format!("column {} has no name", at + 1)));
        }
    }
    Ok(names.iter().map(|name| Column::text(name)).collect())
}

/// "1 field", "3 fields".
pub(in crate::data) fn fields(count: usize) -> String {
    match count {
        1 => "1 field".to_owned(),
        _ => format!("{count} fields"),
    }
}

/// The names of columns, for a message.
pub(in crate::data) fn list(columns: &Columns) -> String {
    let names: Vec<String> = columns
        .iter()
        .take(20)
        .map(|column| format!("`{}`", column.name))
        .collect();
    let more = if columns.len() > 20 { ", …" } else { "" };
    names.join(", ") + more
}

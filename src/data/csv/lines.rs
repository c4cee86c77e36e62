//! CSV that is in memory: a message.

use super::CsvDialect;
use super::records::{Records, Trouble};

/// Gives the fields of every record; NULL is `None`.
///
/// # Errors
/// A record can't be read, or `each` refuses it.
pub fn each_row(
    text: &[u8],
    dialect: &CsvDialect,
    mut each: impl FnMut(&mut dyn Iterator<Item = Option<&[u8]>>) -> Result<(), String>,
) -> Result<(), String> {
    let mut records = Records::new(text, dialect);
    loop {
        match records.next() {
            Ok(Some(_)) => each(&mut records.fields())?,
            Ok(None) => return Ok(()),
            Err(Trouble::Record(reason) | Trouble::Lost(reason)) => return Err(reason.to_owned()),
            Err(Trouble::Read(error)) => return Err(error.to_string()),
        }
    }
}

//! How a CSV file is written.

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvDialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields; doubled within them.
    pub quote: u8,
    /// Whether the first line of each file has the names of the columns.
    pub header: bool,
    /// The names of the columns; needed without a header, and in place of one otherwise.
    pub columns: Option<Vec<String>>,
    /// An unquoted field with this text is NULL.
    pub null: String,
}

impl Default for CsvDialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            header: true,
            columns: None,
            null: String::new(),
        }
    }
}

impl CsvDialect {
    /// The options of PostgreSQL's COPY that read what [`RawCsv`](super::RawCsv) gives, whose first
    /// line has no meaning; `None` when COPY can't.
    #[must_use]
    pub fn copy_options(&self) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii() && !matches!(byte, 0 | b'\n' | b'\r');
        if !plain(self.delimiter) || !plain(self.quote) || self.delimiter == self.quote {
            return None;
        }
        let bytes = [self.delimiter, self.quote];
        if self
            .null
            .bytes()
            .any(|byte| bytes.contains(&byte) || !plain(byte))
        {
            return None;
        }
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let character = |byte: u8| literal(&char::from(byte).to_string());
        let mut options = String::from("FORMAT csv, HEADER true");
        if self.delimiter != b',' {
            options += &format!(", DELIMITER {}", character(self.delimiter));
        }
        if self.quote != b'"' {
            options += &format!(", QUOTE {}", character(self.quote));
        }
        if !self.null.is_empty() {
            // Backslashes have no meaning in a plain literal of standard SQL.
            options += &format!(", NULL {}", literal(&self.null));
        }
        Some(options)
    }
}

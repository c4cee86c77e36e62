//! SQL as text: statements, their parameters and their nature. Knows no database.

mod excerpt;
mod holes;
mod lexer;
mod nature;
mod rewrite;
mod script;
mod syntax;
mod tables;

pub use excerpt::{excerpt, position};
pub use holes::{Hole, HoleKind};
pub use lexer::{Atom, AtomKind, Dialect, atoms};
pub use nature::{Nature, Transaction};
pub use rewrite::Rewritten;
pub use script::{Mistake, Positional, Script, ScriptStatement};
pub use syntax::check_syntax;
pub use tables::{ColumnDefinition, TableChange, TableDefinition, TableName, table_changes};

/// An identifier in quotes, for both dialects.
#[must_use]
pub fn quoted_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

//! SQL as text: statements, their parameters and their nature. Knows no database.

mod lexer;
mod rewrite;

pub use lexer::{Atom, AtomKind, Dialect, atoms};
pub use rewrite::Rewritten;

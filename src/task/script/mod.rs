//! SQL scripts in tasks: what the kinds that have them share.

mod code;
mod execute;
mod failure;
mod read;

pub use code::SqlCode;
pub(in crate::task) use code::{Checked, Frame, Prepared, Ready};
pub(in crate::task) use execute::{execute, log_notices};
pub(in crate::task) use failure::{of_rows, of_statement};
pub(in crate::task) use read::{Given, either};

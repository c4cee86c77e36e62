//! Four CSV snapshots of the shape that `daily_batch` reads: seeded, so that a seed and a scale always give the same bytes.
//!
//! Plain std and no code of the product: the tests include this file to try other seeds, and an oracle
//! that knows neither this file nor the SQL says what the answers are.

mod random;
mod snapshots;
mod values;

pub(crate) use snapshots::{Scale, write};

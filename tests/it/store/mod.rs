//! Every store keeps the same promises; a database keeps some more.
#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod conformance;
mod model;
mod scenarios;
mod sqlite;
mod values;

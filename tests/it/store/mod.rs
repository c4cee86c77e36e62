//! Every store keeps the same promises; a database keeps some more.

mod conformance;
mod scenarios;
mod values;

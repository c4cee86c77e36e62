//! A document as a tree of nodes that know where they stand, whatever its notation.
//!
//! `spec` reads YAML into this tree; every table row parses its own node out of it with
//! [`FromNode`], collects all the mistakes it finds as [`Diagnostic`]s, and describes itself as
//! JSON Schema from the same definition ([`record!`](crate::record)).

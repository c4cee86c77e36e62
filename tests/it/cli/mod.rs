//! The command line, as people and programs see it: the real binary on small projects.

mod databases;
mod living;
mod output;
mod project;
mod transcripts;

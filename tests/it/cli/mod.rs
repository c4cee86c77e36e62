//! The command line, as people and programs see it: the real binary on small projects.
#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod databases;
mod live;
mod live_topics;
mod living;
mod output;
mod project;
mod secrets;
mod transcripts;

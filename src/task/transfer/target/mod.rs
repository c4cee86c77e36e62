//! Files that records go into, in a folder or in a bucket: one, or one for each value of the
//! expressions in its path.

mod definition;
mod path;
mod route;
mod segment;
mod single;
mod spread;
mod thread;

pub(super) use definition::{Target, Writing};

//! Task kinds: what a task can do. One file a kind, one row each in [`KINDS`].

//! A topic into a database: each batch is a transaction that holds the offsets, too.
//!
//! ```text
//! assigned ─▶ take over in the database ─▶ read on from there
//! piece    ─▶ begin ─▶ advance the offsets ─▶ load ─▶ dead letters ─▶ commit ─▶ tell the group
//!                          │ somebody has taken over: roll back, join anew
//! ```
//!
//! Whoever is given a partition raises its epoch in the database, and waits there for a transaction
//! of the one before. A transaction moves its partitions on only where epoch and offset are as it
//! knows them, so that of all who believe to own a partition exactly one can load it, and each
//! message once. What was lost on the way, the answer of COMMIT too, is found when the stream joins
//! anew and reads where it stands.

mod load;
mod member;
mod piece;
mod run;

pub(super) use run::run;

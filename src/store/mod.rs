//! Run state, durable. Only this room knows SQL for it. See `docs/store.md`.

mod account;
mod change;
mod faulty;
mod memory;
mod notice;
mod outside;
mod precision;
mod run_store;
mod sqlite;
mod tally;
mod words;

pub use account::{Access, AccessKind, Account, AccountStore, Claim, Deed, Role, Scope};
pub use faulty::{Faults, Faulty};
pub use memory::MemoryStore;
pub use notice::{Admission, Failing, Notice, NoticeLimit};
pub use outside::{Call, Thing, ThingChange};
pub use run_store::{
    AttemptRow, Command, CommandKind, DagVersion, Decided, NewRun, Owner, Past, RunFilter, RunRow,
    RunStore, ScheduleRow, SkippedTicks, StoreError, StoredRun, TaskRunRow, TaskTimes,
};
pub use sqlite::SqliteStore;
pub use tally::{AtWork, BOUNDS, CommitTimes, Counted, Stage, Tally};

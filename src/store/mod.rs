//! Run state, durable. Only this room knows SQL for it.

mod run_store;

pub use run_store::{
    AttemptRow, Command, CommandKind, DagVersion, NewRun, Owner, RunFilter, RunRow, RunStore,
    StoreError, StoredRun, TaskRunRow,
};

//! What all scenarios begin with.

use std::sync::Arc;

use runner::store::{NewRun, RunFilter, RunRow, RunStore, StoredRun};

use super::super::values::{id, new_run};

pub type Store = Arc<dyn RunStore>;

pub async fn create(store: &Store, runs: &[&str]) {
    let runs: Vec<NewRun> = runs.iter().map(|run| new_run(run)).collect();
    store.begin(&[], &runs).await.unwrap();
}

pub async fn load(store: &Store, run: &str) -> StoredRun {
    store.load(&id(run)).await.unwrap().unwrap()
}

pub async fn only_run(store: &Store) -> RunRow {
    let mut rows = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

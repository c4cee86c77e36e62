//! What a DAG comes after.

use std::collections::BTreeSet;

use super::{DagId, DatasetId};

/// The DAGs and datasets that start a DAG: it runs when all DAGs have succeeded for one data
/// interval, and all datasets are newer than its last start. Empty: nothing of that kind starts it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct After {
    pub dags: BTreeSet<DagId>,
    pub datasets: BTreeSet<DatasetId>,
}

impl After {
    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dags.is_empty() && self.datasets.is_empty()
    }

    /// Every name, DAGs first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let dags = self.dags.iter().map(DagId::as_str);
        dags.chain(self.datasets.iter().map(DatasetId::as_str))
    }
}

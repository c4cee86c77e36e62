//! The version of a DAG: a hash of everything that defines it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::{Dag, DagId};
use crate::store::DagVersion;

/// The pseudo file that holds the name of the chosen profile.
pub const PROFILE: &str = "(profile)";

/// The version of a DAG that was read from these files.
pub fn version_of(id: &DagId, dag: &Dag, files: BTreeMap<String, Arc<str>>) -> DagVersion {
    let mut hash = Sha256::new();
    for (path, text) in &files {
        // Lengths keep `a` + `bc` apart from `ab` + `c`.
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(&**text);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    DagVersion {
        hash: text,
        dag: id.clone(),
        tasks: dag.tasks.iter().map(|task| task.id.to_string()).collect(),
        files,
    }
}

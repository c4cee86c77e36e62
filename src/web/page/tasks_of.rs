//! The names of a run's tasks.

use crate::store::{RunRow, StoreError};
use crate::web::App;

/// The names by index; `None`: nobody knows them any more. Most runs have the version that the file
/// has now, and nothing has to be read for them.
pub(super) async fn tasks_of(app: &App, run: &RunRow) -> Result<Option<Vec<String>>, StoreError> {
    let snapshot = app.snapshot();
    let project = snapshot.project.as_ref();
    let current = project.and_then(|project| project.pipelines.get(&run.dag));
    if let Some(current) = current.filter(|one| one.version.hash == run.version) {
        return Ok(Some(current.version.tasks.clone()));
    }
    let version = app.store.version(&run.version).await?;
    Ok(version.map(|version| version.tasks))
}

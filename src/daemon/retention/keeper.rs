//! The daemon removes what is past, when there is little else to do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limits;
use super::sweep::Sweep;
use super::swept::{Amount, Swept};
use crate::spec::Project;
use crate::store::RunStore;
use crate::task::Clock;

/// From the start to the first look: what is missed while the machine was off comes first.
const FIRST: Duration = Duration::from_mins(1);
/// Between two looks.
const EVERY: Duration = Duration::from_hours(1);

/// Looks now and then for what is past. It ends when it is dropped.
#[derive(Debug)]
pub struct Keeper {
    project: watch::Sender<Arc<Project>>,
    quiet: watch::Sender<bool>,
    looking: JoinHandle<()>,
}

impl Keeper {
    /// Begins to look.
    #[must_use]
    pub fn begin(project: Arc<Project>, store: Arc<dyn RunStore>, clock: Clock) -> Self {
        let (project, of_project) = watch::channel(project);
        let (quiet, is_quiet) = watch::channel(true);
        Self {
            project,
            quiet,
            looking: tokio::spawn(look(of_project, is_quiet, store, clock)),
        }
    }

    /// The definition of the project as it is now, and whether there is nothing else to do.
    pub fn follow(&self, project: &Arc<Project>, quiet: bool) {
        self.project.send_if_modified(|known| {
            let changed = !Arc::ptr_eq(known, project);
            if changed {
                *known = project.clone();
            }
            changed
        });
        self.quiet
            .send_if_modified(|known| std::mem::replace(known, quiet) != quiet);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // What it was at is found by the next look.
        self.looking.abort();
    }
}

async fn look(
    project: watch::Receiver<Arc<Project>>,
    quiet: watch::Receiver<bool>,
    store: Arc<dyn RunStore>,
    clock: Clock,
) {
    tokio::time::sleep(FIRST).await;
    loop {
        let project = project.borrow().clone();
        if limits::any(&project) {
            let sweep = Sweep {
                project,
                store: store.clone(),
                now: clock(),
                dry: false,
                quiet: Some(quiet.clone()),
            };
            match sweep.run().await {
                Ok(swept) => tell(&swept),
                Err(error) => tracing::warn!(%error, "what is past can't be removed now"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn tell(swept: &Swept) {
    for trouble in &swept.troubles {
        tracing::warn!("{trouble}");
    }
    let Swept {
        runs, logs, data, ..
    } = swept;
    if [runs, logs, data].iter().any(|amount| amount.count > 0) {
        let bytes: u64 = [runs, logs, data]
            .iter()
            .map(|Amount { bytes, .. }| bytes)
            .sum();
        tracing::info!(
            runs = runs.count,
            logs = logs.count,
            datasets = data.count,
            bytes,
            "removed what is past"
        );
    }
}

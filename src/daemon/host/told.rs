//! What people are told when runs end.

use std::time::Duration;

use super::Host;
use crate::daemon::retention::Keeper;
use crate::daemon::schedule::DaemonLock;
use crate::daemon::tell::Teller;
use crate::daemon::{Supervisor, is_alive, ring};
use crate::model::Transition;
use crate::store::{Notice, RunStore, StoreError};

/// How long a process that has nothing else to do goes on telling.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

impl Host {
    /// What is to be told of these transitions, to become durable with them.
    pub(super) async fn due(&self, transitions: &[Transition]) -> Result<Vec<Notice>, StoreError> {
        let mut due = Vec::new();
        for transition in transitions {
            let Transition::Run { run, state, at } = transition else {
                continue;
            };
            let Some(held) = self.runs.get(run) else {
                continue;
            };
            let end = (&*held.spec, *state, *at);
            let owner = self.owner.owner();
            let notice = self
                .patiently(u32::MAX, |store| {
                    Teller::due(store, &self.project, &held.pipeline, end, owner)
                })
                .await?;
            due.extend(notice);
        }
        Ok(due)
    }

    /// Lets the project's daemon know, if it is another process, that runs have begun or ended here:
    /// others may come after them, or wait for room. What it doesn't hear, it finds at its next look.
    pub(super) fn tell_daemon(&mut self) {
        if !std::mem::take(&mut self.unheard) || self.is_daemon {
            return;
        }
        let state = &self.project.places.state;
        if let Some(daemon) = DaemonLock::holder(state) {
            let _ = ring(state, &daemon);
        }
    }

    /// Who is told how this process is.
    pub fn follow_supervisor(&mut self, supervisor: Supervisor) {
        supervisor.watch(self.control());
        self.supervisor = supervisor;
    }

    /// Removes what is past as long as it lives.
    pub(in crate::daemon) fn keeper(&self) -> Keeper {
        Keeper::begin(self.project.clone(), self.store.clone(), self.clock.clone())
    }

    /// Tells what processes that ended have left untold, and what they have handed over.
    pub(in crate::daemon) async fn take_notices(&mut self) -> Result<(), StoreError> {
        let state = self.project.places.state.clone();
        let owner = self.owner.owner().clone();
        let notices = self.patiently(u32::MAX, RunStore::notices).await?;
        for mut notice in notices {
            if notice.owner != owner {
                if is_alive(&state, &notice.owner) {
                    continue;
                }
                let taken = self
                    .patiently(u32::MAX, |store| store.take_notice(&notice, &owner))
                    .await?;
                if !taken {
                    continue;
                }
                notice.owner = owner.clone();
            }
            self.teller.tell(&self.project, &self.masker, notice);
        }
        Ok(())
    }

    /// Waits for what is being told, within reason. What is left goes to the project's daemon, or
    /// waits for the next process.
    pub(in crate::daemon) async fn finish_telling(&mut self, patience: Duration) {
        self.teller.finish(patience).await;
        let state = &self.project.places.state;
        let Some(daemon) = DaemonLock::holder(state) else {
            return;
        };
        let own = self.owner.owner();
        let handed = async {
            let mut handed = false;
            for notice in self.store.notices().await? {
                if notice.owner == *own && daemon != *own {
                    handed |= self.store.take_notice(&notice, &daemon).await?;
                }
            }
            Ok::<bool, StoreError>(handed)
        };
        // Whoever comes next finds it otherwise.
        if handed.await.is_ok_and(|handed| handed) {
            let _ = ring(state, &daemon);
        }
    }
}

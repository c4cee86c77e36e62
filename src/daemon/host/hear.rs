//! What people want of runs.

use super::{Control, Host};
use crate::engine::Event;
use crate::model::RunId;
use crate::store::{Command, CommandKind, StoreError};

impl Host {
    pub(super) fn controlled(&mut self, control: Option<Control>) {
        match control {
            Some(Control::Cancel(run)) => self.events.push(Event::CancelRequested { run }),
            Some(Control::CancelAll) => {
                self.told.cancelled = true;
                let runs: Vec<RunId> = self.runs.keys().cloned().collect();
                let cancel = |run| Event::CancelRequested { run };
                self.events.extend(runs.into_iter().map(cancel));
            }
            Some(Control::Alive) => self.supervisor.alive(),
            Some(Control::Saw(saw)) => self.told.saw.push(saw),
            Some(Control::Wish(wish)) => self.wishes.push(wish),
            Some(Control::Reload) => self.told.reload = true,
            Some(Control::Drain) => {
                self.told.hurry = self.draining;
                self.draining = true;
            }
            None => {}
        }
    }

    pub(super) async fn belled(&mut self) -> Result<(), StoreError> {
        let mut bytes = [0; 64];
        self.told.belled = true;
        while self.bell.try_read(&mut bytes).is_ok_and(|read| read > 0) {}
        self.hear().await
    }

    /// Takes in what people have decided about runs that belong to this owner. It is forgotten when
    /// what it leads to is durable.
    pub(super) async fn hear(&mut self) -> Result<(), StoreError> {
        let owner = self.owner.owner();
        let commands = self
            .patiently(u32::MAX, |store| store.commands(owner))
            .await?;
        for command in commands {
            if self.heard.contains(&command) {
                continue;
            }
            if !self.runs.contains_key(&command.run) && !self.can_hear(&command).await? {
                continue;
            }
            let run = command.run.clone();
            self.events.push(match command.kind.clone() {
                CommandKind::Cancel => Event::CancelRequested { run },
                CommandKind::Retry { tasks } => Event::RetryRequested { run, tasks },
                CommandKind::RetryItem { task, item } => {
                    Event::ItemRetryRequested { run, task, item }
                }
                CommandKind::Mark { task, outcome } => Event::Marked { run, task, outcome },
            });
            self.heard.push(command);
        }
        Ok(())
    }

    /// Takes up a run that has ended for a command that may make it go on. `false`: the command is
    /// for a run that can't be carried out here, and stays for whoever can.
    pub(super) async fn can_hear(&mut self, command: &Command) -> Result<bool, StoreError> {
        let run = &command.run;
        let stored = self.patiently(u32::MAX, |store| store.load(run)).await?;
        let Some(stored) = stored.filter(|stored| stored.owner == *self.owner.owner()) else {
            return Ok(false);
        };
        if !stored.state.is_finished() {
            return Ok(false);
        }
        // To cancel what has ended is done.
        if command.kind == CommandKind::Cancel {
            return Ok(true);
        }
        match self.take_up(stored).await {
            Ok(()) => Ok(true),
            Err(reason) => {
                tracing::warn!(%run, %reason, "it can't go on");
                Ok(false)
            }
        }
    }
}

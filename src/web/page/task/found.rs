//! The task run that is asked for.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::{AttemptId, TaskId, TaskIndex, TaskRunId, TaskState};
use crate::store::TaskRunRow;
use crate::task::{log_path, picture_path};
use crate::web::App;
use crate::web::page::frame::Trouble;
use crate::web::page::run::Known;

/// Which task run and which part of its log.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::web) struct Asked {
    pub(in crate::web) item: Option<u32>,
    pub(in crate::web) attempt: Option<u32>,
    pub(in crate::web) generation: Option<u32>,
    #[serde(default)]
    pub(super) find: String,
    #[serde(default)]
    pub(super) level: String,
    pub(super) at: Option<u64>,
    pub(super) before: Option<u64>,
    /// The first item that is listed.
    #[serde(default)]
    pub(super) items: usize,
}

/// A task run that was asked for.
pub(in crate::web::page) struct Found {
    pub(super) known: Known,
    pub(super) task: TaskIndex,
    pub(super) name: TaskId,
    pub(super) row: Option<TaskRunRow>,
}

impl Found {
    pub(in crate::web::page) async fn read(
        app: &App,
        run: &str,
        task: &str,
        item: Option<u32>,
    ) -> Result<Self, Trouble> {
        let known = Known::read(app, run).await?;
        let at = known.version.tasks.iter().position(|name| name == task);
        let index = at.and_then(|at| u32::try_from(at).ok()).map(TaskIndex);
        let missing = || Trouble::Missing(format!("Run {run} has no task {task}."));
        let task = index.ok_or_else(missing)?;
        let name = TaskId::new(known.name(task)).map_err(|_| missing())?;
        let id = TaskRunId { task, item };
        let row = known.tasks.iter().find(|row| row.id == id).cloned();
        if row.is_none() && item.is_some() {
            return Err(missing());
        }
        Ok(Self {
            known,
            task,
            name,
            row,
        })
    }

    fn id(&self, item: Option<u32>) -> TaskRunId {
        let task = self.task;
        TaskRunId { task, item }
    }

    fn attempt_id(&self, item: Option<u32>, (generation, number): (u32, u32)) -> AttemptId {
        AttemptId {
            run: self.known.run.id.clone(),
            task_run: self.id(item),
            generation,
            number,
            fence: 0,
        }
    }

    /// The file of an attempt's log.
    pub(super) fn log(&self, app: &App, item: Option<u32>, attempt: (u32, u32)) -> PathBuf {
        let attempt = self.attempt_id(item, attempt);
        app.places.state.join(log_path(&attempt, &self.name))
    }

    /// The file of what it has drawn.
    pub(in crate::web::page) fn picture(
        &self,
        app: &App,
        item: Option<u32>,
        attempt: (u32, u32),
    ) -> PathBuf {
        let attempt = self.attempt_id(item, attempt);
        app.places.state.join(picture_path(&attempt, &self.name))
    }

    /// The attempt that is meant: the one that was asked for, or the latest.
    pub(in crate::web::page) fn attempt(&self, asked: &Asked) -> (u32, u32) {
        let generation = self.row.as_ref().map_or(0, |row| row.generation);
        let last = self.row.as_ref().map_or(0, |row| row.attempts);
        (
            asked.generation.unwrap_or(generation),
            asked.attempt.unwrap_or(last),
        )
    }

    /// Whether that attempt runs now.
    pub(super) fn runs(&self, (generation, number): (u32, u32)) -> bool {
        self.row.as_ref().is_some_and(|row| {
            matches!(row.state, TaskState::Running { .. })
                && (row.generation, row.attempts) == (generation, number)
                && !self.known.interrupted
        })
    }
}

/// Where an attempt's log is, and whether it still grows.
pub(in crate::web) async fn growing(
    app: &App,
    (run, task): (&str, &str),
    asked: &Asked,
) -> Option<(PathBuf, bool)> {
    let found = Found::read(app, run, task, asked.item).await.ok()?;
    let meant = found.attempt(asked);
    Some((found.log(app, asked.item, meant), found.runs(meant)))
}

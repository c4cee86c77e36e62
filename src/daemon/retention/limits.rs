//! What the project says about one DAG.

use chrono::TimeDelta;

use crate::model::{DagId, Timestamp};
use crate::spec::{Keep, Project, Retention};

/// What holds for a DAG, whether its file is still there or not.
pub(super) fn of_dag(project: &Project, dag: &DagId) -> Retention {
    let all = project.settings.retention;
    let own = project.pipelines.get(dag);
    let own = own.map(|pipeline| pipeline.retention).unwrap_or_default();
    Retention {
        runs: own.runs.or(all.runs),
        logs: own.logs.or(all.logs),
        data: own.data.or(all.data),
    }
}

/// What ended before is too old.
pub(super) fn oldest(keep: Keep, now: Timestamp) -> Option<Timestamp> {
    let age = TimeDelta::from_std(keep.age?).ok()?;
    now.checked_sub_signed(age)
}

/// Whether anything of a project is limited.
pub(super) fn any(project: &Project) -> bool {
    let own = project.pipelines.values();
    project.settings.retention.is_limited()
        || own
            .into_iter()
            .any(|pipeline| pipeline.retention.is_limited())
}

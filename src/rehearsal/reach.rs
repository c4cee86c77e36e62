//! Whether connections lead anywhere.

use std::collections::BTreeMap;

use crate::document::Diagnostic;
use crate::spec::{Pipeline, Project};

/// The connections that were looked at, and whether they answered.
#[derive(Default)]
pub(super) struct Reached {
    by_name: BTreeMap<String, bool>,
}

impl Reached {
    /// Whether a connection has answered.
    pub(super) fn is_there(&self, connection: &str) -> bool {
        self.by_name.get(connection).copied().unwrap_or_default()
    }

    /// Looks at the connections of a pipeline that weren't looked at yet. What can't be reached is
    /// told once, at the first task that uses it.
    pub(super) async fn look(&mut self, project: &Project, pipeline: &Pipeline) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for task in &pipeline.tasks {
            for name in task.action.connections() {
                if self.by_name.contains_key(name) {
                    continue;
                }
                let failure = probe(project, name).await.err();
                self.by_name.insert(name.to_owned(), failure.is_none());
                found.extend(failure.map(|reason| {
                    Diagnostic::error(
                        "unreachable-connection",
                        format!("connection `{name}` can't be used: {reason}"),
                        task.place,
                    )
                    .label("needed here")
                }));
            }
        }
        found
    }
}

async fn probe(project: &Project, name: &str) -> Result<(), String> {
    let Some(connection) = project.settings.connections.get(name) else {
        return Ok(());
    };
    if let Some(database) = connection.as_database() {
        let session = database.session("runner check").await;
        return session.map(drop).map_err(|error| error.to_string());
    }
    if let Some(cluster) = connection.as_kafka() {
        let topics = cluster.topics().await;
        return topics.map(drop).map_err(|error| error.to_string());
    }
    connection.probe().await
}

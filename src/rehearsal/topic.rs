//! Topics against the real cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::kafka::{KafkaCluster, KafkaError};
use crate::document::{Diagnostic, Span};
use crate::model::DagId;
use crate::spec::Project;
use crate::task::Deed;

/// The topics that pipelines declare, by connection and name.
#[derive(Default)]
pub(super) struct Declared {
    makers: BTreeMap<(String, String), BTreeSet<DagId>>,
}

impl Declared {
    /// Reads the declarations of all pipelines.
    pub(super) fn of(project: &Project) -> Self {
        let mut declared = Self::default();
        for (id, pipeline) in &project.pipelines {
            for touch in pipeline.tasks.iter().flat_map(|task| task.action.touches()) {
                if let Deed::Declaration {
                    name: Some(name), ..
                } = touch.deed
                {
                    let at = (touch.connection.to_owned(), name.to_owned());
                    declared.makers.entry(at).or_default().insert(id.clone());
                }
            }
        }
        declared
    }

    /// Another pipeline that declares a topic.
    fn maker(&self, connection: &str, name: &str, own: &DagId) -> Option<&DagId> {
        let at = (connection.to_owned(), name.to_owned());
        self.makers.get(&at)?.iter().find(|id| *id != own)
    }
}

/// The topics that a pipeline has declared up to one of its tasks, with their partitions.
#[derive(Default)]
pub(super) struct Topics {
    made: BTreeMap<(String, String), u32>,
}

impl Topics {
    /// Compares a declaration with the topic, if there is one already.
    pub(super) async fn declare(
        &mut self,
        cluster: &KafkaCluster,
        connection: &str,
        name: &str,
        partitions: u32,
        place: Span,
    ) -> Diagnostic {
        let made = (connection.to_owned(), name.to_owned());
        let there = match cluster.topic(name).await {
            Ok(topic) => topic.partitions.len(),
            Err(KafkaError::NoTopic { .. }) => {
                self.made.insert(made, partitions);
                let text = format!(
                    "topic `{name}` isn't there yet: it is made with {}",
                    counted(partitions as usize)
                );
                return Diagnostic::note("topic", text, place);
            }
            Err(error) => return Diagnostic::error("unreachable-topic", error.to_string(), place),
        };
        let wanted = partitions as usize;
        self.made
            .insert(made, u32::try_from(there.max(wanted)).unwrap_or(u32::MAX));
        match there.cmp(&wanted) {
            std::cmp::Ordering::Greater => Diagnostic::warning(
                "other-partitions",
                format!("topic `{name}` has {}, and can't lose any", counted(there)),
                place,
            )
            .label(format!("declared with {wanted}"))
            .help(format!("say `partitions: {there}`")),
            std::cmp::Ordering::Less => Diagnostic::note(
                "topic",
                format!(
                    "topic `{name}` has {} and gets {} more",
                    counted(there),
                    wanted - there
                ),
                place,
            ),
            std::cmp::Ordering::Equal => Diagnostic::note(
                "topic",
                format!("topic `{name}` has {}", counted(there)),
                place,
            ),
        }
    }

    /// Looks up a topic that is read or written. Nobody but a declaration makes one.
    pub(super) async fn look(
        &self,
        cluster: &KafkaCluster,
        connection: &str,
        name: &str,
        place: Span,
        (declared, own): (&Declared, &DagId),
    ) -> Diagnostic {
        let made = (connection.to_owned(), name.to_owned());
        if let Some(partitions) = self.made.get(&made) {
            let text = format!("topic `{name}` has {}", counted(*partitions as usize));
            return Diagnostic::note("topic", text, place);
        }
        match cluster.topic(name).await {
            Ok(topic) => {
                let text = format!("topic `{name}` has {}", counted(topic.partitions.len()));
                Diagnostic::note("topic", text, place)
            }
            Err(error @ KafkaError::NoTopic { .. }) => {
                let message = error.to_string();
                if let Some(maker) = declared.maker(connection, name, own) {
                    return Diagnostic::warning("unknown-topic", message, place)
                        .help(format!("`{maker}` declares it, and has to run before"));
                }
                Diagnostic::error("unknown-topic", message, place).help(format!(
                    "declare it in a `kafka` task before: `topics: {{ {name}: {{ partitions: 1 }} }}`"
                ))
            }
            Err(error) => Diagnostic::error("unreachable-topic", error.to_string(), place),
        }
    }
}

fn counted(partitions: usize) -> String {
    match partitions {
        1 => "1 partition".to_owned(),
        many => format!("{many} partitions"),
    }
}

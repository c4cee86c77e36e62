//! The connections of `runner.yaml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::interpolate::interpolate;
use super::names::invalid_name;
use super::secrets::{Revealed, reveal};
use crate::connection::{Connection, ConnectionKind, Connections, KINDS, Places, Surroundings};
use crate::document::{Diagnostic, Entry, Node, Report, Severity, Spanned};
use crate::model::ConnectionId;
use crate::secret::{Environment, Secret};

/// What connections are read in.
pub struct Around<'a> {
    pub places: &'a Arc<Places>,
    pub environment: &'a Environment,
}

/// Connections with mistakes, and their kind where it is known: tasks that use them aren't wrong.
pub type Broken = BTreeMap<String, Option<&'static str>>;

/// The connections of a project.
pub struct ReadConnections {
    pub connections: Connections,
    /// Those that can't be used; without a mistake when a secret's command wasn't run.
    pub broken: Broken,
    /// The texts that references have given.
    pub secrets: Vec<Secret<String>>,
}

/// Reads connections, each with its environment variables and secrets put in.
pub fn read_connections(
    nodes: Vec<(Spanned<String>, Node)>,
    around: &Around<'_>,
    report: &mut Report,
) -> ReadConnections {
    let mut connections = Connections::new(around.environment);
    let mut broken = Broken::new();
    let mut all = Vec::new();
    for (name, mut node) in nodes {
        let before = report.diagnostics().len();
        interpolate(&mut node, around.environment, report);
        let Revealed { secrets, unknown } =
            reveal(&mut node, around.places, around.environment, report);
        all.extend(secrets);
        let has_errors = |report: &Report| {
            let mut found = report.diagnostics()[before..].iter();
            found.any(|diagnostic| diagnostic.severity == Severity::Error)
        };
        let unset = has_errors(report);
        if let Err(error) = ConnectionId::new(&name) {
            report.push(invalid_name("a connection", &name, error));
        }
        let kind = find_kind(&name, &node, report);
        // A URL with a hole in it can't be right: once is enough.
        let connection = kind
            .filter(|_| !unset && !unknown)
            .and_then(|(kind, entry)| read_connection(&name, kind, entry, around, report));
        match connection {
            Some((id, connection)) if !has_errors(report) => connections.insert(id, connection),
            _ => {
                broken.insert(name.value, kind.map(|(kind, _)| kind.name));
            }
        }
    }
    ReadConnections {
        connections,
        broken,
        secrets: all,
    }
}

fn find_kind<'a>(
    name: &Spanned<String>,
    node: &'a Node,
    report: &mut Report,
) -> Option<(&'static ConnectionKind, &'a Entry)> {
    // The one that most projects begin with.
    let example = "postgres";
    let Some(entries) = node.as_map() else {
        report.push(
            Diagnostic::error(
                "wrong-type",
                format!(
                    "connection `{}`: expected a map, found {}",
                    name.value,
                    node.kind()
                ),
                node.span,
            )
            .label("expected a kind and its settings")
            .help(format!("for example `{}: {{ {example}: … }}`", name.value)),
        );
        return None;
    };
    let [entry] = entries else {
        let place = entries.get(1).map_or(node.span, |second| second.key.span);
        report.push(
            Diagnostic::error(
                "wrong-shape",
                format!(
                    "a connection has one key that names its kind, `{}` has {}",
                    name.value,
                    entries.len(),
                ),
                place,
            )
            .help(format!("for example `{}: {{ {example}: … }}`", name.value)),
        );
        return None;
    };
    let kind = KINDS.iter().find(|kind| kind.name == &*entry.key.value);
    if kind.is_none() {
        let names = KINDS.iter().map(|kind| kind.name);
        let wrong = &*entry.key.value;
        report.push(
            Diagnostic::error(
                "unknown-kind",
                format!("unknown kind of connection `{wrong}`"),
                entry.key.span,
            )
            .suggest(wrong, names, "kind"),
        );
    }
    kind.map(|kind| (*kind, entry))
}

fn read_connection(
    name: &Spanned<String>,
    kind: &ConnectionKind,
    entry: &Entry,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<(ConnectionId, Arc<dyn Connection>)> {
    let id = ConnectionId::new(name).ok()?;
    let mut surroundings = Surroundings {
        report,
        id: &id,
        places: around.places,
        environment: around.environment,
    };
    let connection = (kind.parse)(&entry.value, &mut surroundings)?;
    Some((id, connection))
}

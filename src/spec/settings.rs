//! `runner.yaml`: the project's connections, pools, defaults and profiles.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::Value as Json;

use super::interpolate::interpolate;
use super::task::{DefaultsRecord, check_retry};
use crate::connection::{Connection, ConnectionKind, Connections, KINDS, Places, Surroundings};
use crate::document::{ByteSize, Diagnostic, FromNode, Map, Node, Report, Spanned, Value, nearest};
use crate::engine::Limits;
use crate::model::{ConnectionId, PoolId};
use crate::secret::Environment;

crate::record! {
    /// A project: `runner.yaml`.
    pub struct SettingsRecord as "runner.yaml" {
        /// What tasks reach the world through, by name.
        connections: Map<Node>,
        /// Slots that tasks share, by name: `heavy: 2`.
        pools: Map<NonZeroU32>,
        /// What holds for every task that doesn't say otherwise.
        defaults: Option<DefaultsRecord>,
        /// Other connections, params and defaults under a name, chosen by `--profile`.
        profiles: Map<ProfileRecord>,
        /// Most tasks at a time, over all runs of a process.
        max_active_tasks: Option<NonZeroU32>,
        /// Most bytes of one attempt's log.
        log_limit: ByteSize = "16MiB" => ByteSize(16 << 20),
    }
}

crate::record! {
    /// What a profile replaces.
    pub struct ProfileRecord as "a profile" {
        /// Connections of the same name are replaced.
        connections: Map<Node>,
        /// New defaults of params, in every DAG that has a param of that name.
        params: Map<Node>,
        /// What holds for every task that doesn't say otherwise.
        defaults: Option<DefaultsRecord>,
    }
}

/// A checked `runner.yaml`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub connections: Arc<Connections>,
    pub limits: Limits,
    /// Most bytes of one attempt's log.
    pub log_limit: u64,
    /// The chosen profile.
    pub profile: Option<String>,
    /// The chosen profile's defaults of params.
    pub(super) params: Vec<(Spanned<String>, Json)>,
    /// The profile's defaults, then the project's.
    pub(super) defaults: Vec<DefaultsRecord>,
}

/// Reads `runner.yaml`. Without the file all is as if it were empty.
pub fn read_settings(
    node: Option<&Node>,
    profile: Option<&str>,
    places: &Arc<Places>,
    environment: &Environment,
    report: &mut Report,
) -> Option<Settings> {
    let empty = Node {
        value: Value::Map(Vec::new()),
        span: crate::document::Span::new(crate::document::SourceId(0), 0..0),
    };
    let node = match node {
        Some(node) if node.value != Value::Null => node,
        _ => &empty,
    };
    let record = SettingsRecord::from_node(node, report)?;
    let chosen = match profile {
        None => None,
        Some(name) => Some(find_profile(name, &record, node, report)?),
    };
    let mut nodes: Vec<(Spanned<String>, Node)> = record.connections.0.clone();
    for (name, replacement) in chosen.iter().flat_map(|chosen| &chosen.connections.0) {
        match nodes
            .iter_mut()
            .find(|(known, _)| known.value == name.value)
        {
            Some((_, node)) => *node = replacement.clone(),
            None => nodes.push((name.clone(), replacement.clone())),
        }
    }
    let mut connections = Connections::default();
    for (name, mut node) in nodes {
        interpolate(&mut node, environment, report);
        if let Some((id, connection)) = read_connection(&name, &node, places, environment, report) {
            connections.insert(id, connection);
        }
    }
    let mut pools = BTreeMap::new();
    for (name, slots) in &record.pools.0 {
        match PoolId::new(name) {
            Ok(id) => {
                pools.insert(id, slots.get());
            }
            Err(error) => report.push(
                Diagnostic::error(
                    "invalid-name",
                    format!("`{}` can't be the name of a pool", name.value),
                    name.span,
                )
                .label(error.to_string()),
            ),
        }
    }
    let defaults: Vec<DefaultsRecord> = chosen
        .iter()
        .filter_map(|chosen| chosen.defaults.clone())
        .chain(record.defaults.clone())
        .collect();
    for level in &defaults {
        if let Some(retry) = &level.retry {
            check_retry(retry, report);
        }
        check_pool(level.pool.as_ref(), &pools, report);
    }
    Some(Settings {
        connections: Arc::new(connections),
        limits: Limits {
            max_active_tasks: record.max_active_tasks.map(NonZeroU32::get),
            pools,
        },
        log_limit: record.log_limit.0,
        profile: profile.map(str::to_owned),
        params: chosen
            .iter()
            .flat_map(|chosen| &chosen.params.0)
            .map(|(name, node)| (name.clone(), node.to_json()))
            .collect(),
        defaults,
    })
}

/// Reports a pool that isn't in `runner.yaml`.
pub(super) fn check_pool(
    pool: Option<&Spanned<String>>,
    pools: &BTreeMap<PoolId, u32>,
    report: &mut Report,
) -> Option<PoolId> {
    let pool = pool?;
    if let Some((id, _)) = pools.get_key_value(pool.value.as_str()) {
        return Some(id.clone());
    }
    let diagnostic = Diagnostic::error(
        "unknown-pool",
        format!("pool `{}` doesn't exist", pool.value),
        pool.span,
    );
    report.push(if pools.is_empty() {
        diagnostic.help("add it to runner.yaml: `pools: { name: slots }`")
    } else {
        diagnostic.suggest(&pool.value, pools.keys().map(PoolId::as_str), "pool")
    });
    None
}

fn find_profile(
    name: &str,
    record: &SettingsRecord,
    node: &Node,
    report: &mut Report,
) -> Option<ProfileRecord> {
    let known = &record.profiles.0;
    if let Some((_, profile)) = known.iter().find(|(known, _)| known.value == name) {
        return Some(profile.clone());
    }
    let span = node.get("profiles").map_or(node.span, |node| node.span);
    let diagnostic = Diagnostic::error(
        "unknown-profile",
        format!("profile `{name}` doesn't exist"),
        span,
    );
    report.push(diagnostic.suggest(
        name,
        known.iter().map(|(name, _)| name.value.as_str()),
        "profile",
    ));
    None
}

fn read_connection(
    name: &Spanned<String>,
    node: &Node,
    places: &Arc<Places>,
    environment: &Environment,
    report: &mut Report,
) -> Option<(ConnectionId, Arc<dyn Connection>)> {
    let id = match ConnectionId::new(name) {
        Ok(id) => id,
        Err(error) => {
            report.push(
                Diagnostic::error(
                    "invalid-name",
                    format!("`{}` can't be the name of a connection", name.value),
                    name.span,
                )
                .label(error.to_string()),
            );
            return None;
        }
    };
    let entries = crate::document::read_map(node, report)?;
    let [entry] = entries else {
        let mut diagnostic = Diagnostic::error(
            "wrong-shape",
            format!(
                "a connection has one key that names its kind, `{name}` has {}",
                entries.len(),
                name = name.value
            ),
            node.span,
        );
        if let Some(kind) = KINDS.first() {
            diagnostic = diagnostic.help(format!(
                "for example `{}: {{ {}: … }}`",
                name.value, kind.name
            ));
        }
        report.push(diagnostic);
        return None;
    };
    let kind: Option<&&ConnectionKind> = KINDS.iter().find(|kind| kind.name == &*entry.key.value);
    let Some(kind) = kind else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let wrong = &*entry.key.value;
        let diagnostic = Diagnostic::error(
            "unknown-kind",
            format!("unknown kind of connection `{wrong}`"),
            entry.key.span,
        );
        report.push(match nearest(wrong, names.iter().copied()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.suggest(wrong, names, "kind"),
        });
        return None;
    };
    let mut surroundings = Surroundings {
        report,
        id: &id,
        places,
        environment,
    };
    let connection = (kind.parse)(&entry.value, &mut surroundings)?;
    Some((id, connection))
}

//! `runner.yaml`: the project's connections, pools, defaults and profiles.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::Value as Json;

use super::connections::{Around, Broken, ReadConnections, read_connections};
use super::files::{Files, View};
use super::names::invalid_name;
use super::notifications::{Notifications, NotificationsRecord, read_notifications};
use super::placement::point_at_keys;
use super::retention::{Retention, RetentionNode, read_retention};
use super::retry::check_retry;
use super::sign_in::{SignIn, SignInNode, read_sign_in};
use super::task::DefaultsRecord;
use crate::connection::Connections;
use crate::document::{
    ByteSize, Diagnostic, Map, Node, Report, SourceId, Span, Spanned, Value, read_map,
    refuse_unknown_keys,
};
use crate::engine::Limits;
use crate::model::PoolId;
use crate::secret::Secret;

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
        /// What people are told by itself.
        notifications: Option<NotificationsRecord>,
        /// How long what is past is kept: `90d`, or a map. What isn't limited is kept.
        retention: Option<RetentionNode>,
        /// What the pages open a pipeline's file with: a URL with `{path}` and maybe `{line}` in it,
        /// such as `vscode://file{path}:{line}`.
        editor: Option<Spanned<String>>,
        /// How people come in to the pages by a provider that knows them (OpenID Connect).
        sign_in: Option<SignInNode>,
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
    /// What has mistakes; empty in a project that is used.
    pub(super) broken_connections: Broken,
    /// What the references in `runner.yaml` have given, not to be seen in logs.
    pub secrets: Vec<Secret<String>>,
    pub limits: Limits,
    /// Most bytes of one attempt's log.
    pub log_limit: u64,
    /// What people are told by itself.
    pub notifications: Notifications,
    /// How long what is past is kept.
    pub retention: Retention,
    /// What the pages open a file with: a URL with `{path}` and maybe `{line}`.
    pub editor: Option<String>,
    /// How people come in to the pages besides passwords and links.
    pub sign_in: Option<SignIn>,
    /// The chosen profile.
    pub profile: Option<String>,
    /// The chosen profile's defaults of params.
    pub(super) params: Vec<(Spanned<String>, Spanned<Json>)>,
    /// The profile's defaults, then the project's.
    pub(super) defaults: Vec<DefaultsRecord>,
}

/// Reads `runner.yaml`; without the file all is as if it were empty. With mistakes, which are
/// reported, there are settings that pipelines can be checked with.
pub fn read_settings(
    node: Option<&Node>,
    profile: Option<&str>,
    around: &Around<'_>,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<Settings> {
    let empty = Node {
        value: Value::Map(Vec::new()),
        span: Span::new(SourceId(0), 0..0),
    };
    let node = match node {
        Some(node) if node.value != Value::Null => node,
        _ => &empty,
    };
    let before = report.diagnostics().len();
    let entries = read_map(node, report)?;
    let entries = refuse_unknown_keys(entries, SettingsRecord::KEYS, "runner.yaml", report);
    let record = SettingsRecord::from_entries(&entries, node.span, report)?;
    let chosen = profile.and_then(|name| find_profile(name, &record, node, report));
    let mut nodes: Vec<(Spanned<String>, Node)> = record.connections.0.clone();
    for (name, replacement) in chosen.iter().flat_map(|chosen| &chosen.connections.0) {
        let known = nodes
            .iter_mut()
            .find(|(known, _)| known.value == name.value);
        match known {
            Some((_, node)) => *node = replacement.clone(),
            None => nodes.push((name.clone(), replacement.clone())),
        }
    }
    let ReadConnections {
        connections,
        broken: broken_connections,
        mut secrets,
    } = read_connections(nodes, around, report);
    let read_sign_in = read_sign_in(record.sign_in.as_ref(), around, report);
    secrets.extend(read_sign_in.secrets);
    let pools = read_pools(&record.pools, report);
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
    let notifications = record.notifications.as_ref().map(|record| {
        let mut view = View {
            files,
            connections: &connections,
            broken_connections: &broken_connections,
        };
        read_notifications(record, &mut view, report)
    });
    let retention = read_retention(record.retention.as_ref(), report);
    point_at_keys(node, before, report);
    Some(Settings {
        retention,
        editor: record
            .editor
            .as_ref()
            .and_then(|url| read_editor(url, report)),
        sign_in: read_sign_in.sign_in,
        notifications: notifications.unwrap_or_default(),
        connections: Arc::new(connections),
        broken_connections,
        secrets,
        limits: Limits {
            max_active_tasks: record.max_active_tasks.map(NonZeroU32::get),
            pools,
        },
        log_limit: record.log_limit.0,
        profile: profile.map(str::to_owned),
        params: chosen
            .iter()
            .flat_map(|chosen| &chosen.params.0)
            .map(|(name, node)| (name.clone(), Spanned::new(node.to_json(), node.span)))
            .collect(),
        defaults,
    })
}

/// The URL of an editor. Scripts are none.
fn read_editor(url: &Spanned<String>, report: &mut Report) -> Option<String> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let is_word = |scheme: &str| {
        let mut letters = scheme.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    if scheme.is_some_and(is_word) && url.contains("{path}") {
        return Some(url.value.clone());
    }
    report.push(
        Diagnostic::error("invalid-value", "this is no URL of an editor", url.span)
            .label("expected a URL with `{path}` in it")
            .help("`vscode://file{path}:{line}`, `idea://open?file={path}&line={line}`, `file://{path}`"),
    );
    None
}

fn read_pools(pools: &Map<NonZeroU32>, report: &mut Report) -> BTreeMap<PoolId, u32> {
    let mut read = BTreeMap::new();
    for (name, slots) in &pools.0 {
        match PoolId::new(name) {
            Ok(id) => {
                read.insert(id, slots.get());
            }
            Err(error) => report.push(invalid_name("a pool", name, error)),
        }
    }
    read
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
    let entries = node.as_map().unwrap_or_default();
    let entry = entries.iter().find(|entry| &*entry.key.value == "profiles");
    let diagnostic = Diagnostic::error(
        "unknown-profile",
        format!("profile `{name}` doesn't exist"),
        entry.map_or(node.span, |entry| entry.key.span),
    );
    report.push(if known.is_empty() {
        diagnostic.help("add it under `profiles:` in runner.yaml")
    } else {
        diagnostic.suggest(
            name,
            known.iter().map(|(name, _)| name.value.as_str()),
            "profile",
        )
    });
    None
}

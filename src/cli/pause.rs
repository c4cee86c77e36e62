//! `runner pause` and `runner unpause`: hold a DAG's schedule, and let it go on.

use std::io::Write as _;

use serde_json::json;

use super::arguments::Pause;
use super::context::{Context, runtime, unknown};
use super::exit;
use crate::model::DagId;
use crate::operate::pause;
use crate::remote::Server;

pub fn run(context: &Context, command: &Pause, paused: bool) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command, paused));
    }
    let (project, loaded) = context.project()?;
    let known = || {
        let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
        project.pipelines.keys().map(DagId::as_str).chain(broken)
    };
    let mut dags = Vec::new();
    for name in &command.dags {
        // One that is broken now may be mended while it is paused.
        let Some(dag) = known().find(|dag| dag == name) else {
            return Err(unknown("DAG", name, known()).into());
        };
        dags.push(DagId::new(dag)?);
    }
    runtime()?.block_on(async {
        let store = context.store().await?;
        for dag in &dags {
            let state = &context.places.state;
            let changed = pause::set(state, store.as_ref(), dag, paused).await?;
            say(dag.as_str(), paused, changed)?;
        }
        store.close().await;
        Ok(exit::OK)
    })
}

/// Has a server do it.
async fn there(server: &Server, command: &Pause, paused: bool) -> anyhow::Result<u8> {
    for dag in &command.dags {
        let parts = ["dags", dag.as_str(), "paused"];
        let body = json!({ "paused": paused });
        let answer = server.send("PUT", &parts, &body, None).await?;
        let changed = answer.json["changed"].as_bool().unwrap_or(true);
        say(dag, paused, changed)?;
    }
    Ok(exit::OK)
}

/// Says how it stands.
fn say(dag: &str, paused: bool, changed: bool) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    match (paused, changed) {
        (true, false) => writeln!(out, "{dag} is paused already"),
        (false, false) => writeln!(out, "{dag} is not paused already"),
        (true, true) => writeln!(
            out,
            "{dag} is paused: what runs goes on, nothing begins by itself"
        ),
        (false, true) => writeln!(out, "{dag} goes on with its next tick"),
    }
}

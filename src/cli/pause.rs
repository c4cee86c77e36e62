//! `runner pause` and `runner unpause`: hold a DAG's schedule, and let it go on.

use std::io::Write as _;

use super::arguments::Pause;
use super::context::{Context, runtime, unknown};
use super::exit;
use crate::model::DagId;
use crate::operate::pause;

pub fn run(context: &Context, command: &Pause, paused: bool) -> anyhow::Result<u8> {
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
        let mut out = anstream::stdout();
        for dag in &dags {
            let state = &context.places.state;
            if !pause::set(state, store.as_ref(), dag, paused).await? {
                let state = if paused { "paused" } else { "not paused" };
                writeln!(out, "{dag} is {state} already")?;
                continue;
            }
            if paused {
                writeln!(
                    out,
                    "{dag} is paused: what runs goes on, nothing begins by itself"
                )?;
            } else {
                writeln!(out, "{dag} goes on with its next tick")?;
            }
        }
        store.close().await;
        Ok(exit::OK)
    })
}

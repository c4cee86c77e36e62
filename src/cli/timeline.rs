//! `runner timeline`: what ran when.

mod dags;
mod tasks;

use std::io::Write as _;

use serde_json::json;

use super::arguments::{Format, Timeline};
use super::context::{Context, runtime};
use super::{exit, find, look, output};
use crate::daemon::clock::now;

pub fn run(context: &Context, command: &Timeline) -> anyhow::Result<u8> {
    context.require_project()?;
    let now = now();
    runtime()?.block_on(async {
        let Some(store) = context.store_if_any().await? else {
            return nothing(command.format);
        };
        let shown = match &command.run {
            Some(name) => {
                let row = find::run(context, store.as_ref(), name).await?;
                tasks::one_run(context, store.as_ref(), row, command.format, now).await
            }
            None => dags::all(context, store.as_ref(), command, now).await,
        };
        store.close().await;
        shown
    })
}

fn nothing(format: Format) -> anyhow::Result<u8> {
    let mut out = output::stdout();
    let faint = look::FAINT;
    match format {
        Format::Json => writeln!(out, "{:#}", json!({ "runs": [], "skipped": [] }))?,
        Format::Text => writeln!(out, "{faint}no run yet{faint:#}")?,
    }
    out.flush()?;
    Ok(exit::OK)
}

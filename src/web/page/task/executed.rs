//! What the attempt has executed and drawn.

use std::path::Path;

use serde::Serialize;

use super::found::{Asked, Found};
use crate::task::{Rendered, read_rendered};
use crate::web::App;
use crate::web::page::frame::Trouble;

/// Something that was executed.
#[derive(Serialize)]
pub(super) struct Executed {
    title: String,
    text: String,
    values: Vec<(String, String)>,
}

/// Where the picture is that it has drawn.
pub(super) async fn picture(
    app: &App,
    found: &Found,
    asked: &Asked,
    meant: (u32, u32),
) -> Option<String> {
    let path = found.picture(app, asked.item, meant);
    if !tokio::fs::try_exists(path).await.unwrap_or(false) {
        return None;
    }
    let item = asked
        .item
        .map_or_else(String::new, |item| format!("item={item}&"));
    let (run, name) = (&found.known.run.id, &found.name);
    let generation = meant.0;
    Some(format!(
        "/runs/{run}/tasks/{name}/picture?{item}generation={generation}"
    ))
}

/// What the attempt behind a log has executed.
pub(super) async fn executed(log: &Path) -> Result<Vec<Executed>, Trouble> {
    let log = log.to_owned();
    let read = tokio::task::spawn_blocking(move || read_rendered(&log)).await;
    let read = read.map_err(|error| Trouble::Broken(error.to_string()))??;
    let of = |one: Rendered| Executed {
        title: match one.kind.as_str() {
            "sql" => format!("SQL on {}", one.place),
            "http" => "HTTP request".to_owned(),
            "shell" => format!("command in {}", one.place),
            _ => String::new(),
        },
        text: one.text,
        values: one
            .values
            .into_iter()
            .map(|value| (value.name, value.value))
            .collect(),
    };
    Ok(read.into_iter().map(of).collect())
}

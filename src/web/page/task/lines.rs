//! The log of the attempt: a window of it, and the whole as a file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio_util::io::ReaderStream;

use super::found::{Asked, Found};
use crate::operate::log_window::{self, From, Wanted};
use crate::web::App;
use crate::web::page::frame::Trouble;
use crate::web::page::log::{self, Log};
use crate::web::page::template::{Markup, render};
use crate::web::route::{Needs, Route};

pub(in crate::web::page) const LOG: Route =
    Route::get("/runs/{run}/tasks/{task}/log", Needs::Read, || {
        get(download)
    });

/// The window that is asked for; `None`: no attempt has begun.
pub(super) async fn log_of(
    app: &App,
    found: &Found,
    asked: &Asked,
    meant: (u32, u32),
    running: bool,
) -> Result<Option<Markup>, Trouble> {
    if meant.1 == 0 {
        return Ok(None);
    }
    let wanted = Wanted {
        text: asked.find.clone(),
        troubles: asked.level == "warn",
    };
    let from = match (asked.at, asked.before) {
        (Some(at), _) => From::Byte(at),
        (None, Some(before)) => From::Before(before),
        (None, None) => From::End,
    };
    let file = found.log(app, asked.item, meant);
    let searched = wanted.clone();
    let window = tokio::task::spawn_blocking(move || log_window::read(&file, from, &searched));
    let window = window
        .await
        .map_err(|error| Trouble::Broken(error.to_string()))??;
    let path = format!("/runs/{}/tasks/{}", found.known.run.id, found.name);
    let mut query = Vec::new();
    query.extend(asked.item.map(|item| ("item", item.to_string())));
    query.extend(asked.generation.map(|one| ("generation", one.to_string())));
    query.extend(asked.attempt.map(|one| ("attempt", one.to_string())));
    let item = asked
        .item
        .map_or_else(String::new, |item| format!("item={item}&"));
    let which = format!("{item}generation={}&attempt={}", meant.0, meant.1);
    let log = log::Asked {
        path: &path,
        query,
        wanted: &wanted,
        goes_on: running,
        live: format!("/live{path}/log?{which}&"),
        download: format!("{path}/log?{which}"),
    };
    Ok(Some(render("log.html", &Log::new(&window, &log))))
}

/// The whole log, as it is.
async fn download(
    State(app): State<Arc<App>>,
    Path((run, task)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let found = Found::read(&app, &run, &task, asked.item).await?;
    let path = found.log(&app, asked.item, found.attempt(&asked));
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let missing = |_| Trouble::Missing("It has logged nothing.".to_owned());
    let file = tokio::fs::File::open(path).await.map_err(missing)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{run}.{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

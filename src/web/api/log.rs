//! What an attempt has logged, as it is written or from somewhere on.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use utoipa::ToSchema;

use super::extract::Search;
use crate::operate::log::{LogFile, Logs, files};
use crate::operate::{Mistake, Trouble, find};
use crate::task::{Rendered, read_rendered};
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;
/// Between two looks at a file that may grow.
const LOOK: Duration = Duration::from_millis(200);
/// So many looks at the file for one at the store.
const LOOKS: u32 = 5;

/// The log of an attempt.
pub(super) const SHOW: Route = Route::get(
    "/api/v1/runs/{run}/tasks/{task}/log",
    Needs::Read,
    || get(show),
)
.streaming()
.about(
    Describe::new(
        "runs",
        "What an attempt has logged: lines of a time, a level and a text. The header `x-log-from` \
         tells where the answer begins, `x-log-size` how long the log was then",
    )
    .query(&["item", "attempt", "from", "bytes", "follow"])
    .text("text/plain"),
);

/// What an attempt has executed.
pub(super) const RENDERED: Route = Route::get(
    "/api/v1/runs/{run}/tasks/{task}/rendered",
    Needs::Read,
    || get(rendered),
)
.about(
    Describe::new(
        "runs",
        "What an attempt has executed, as it was sent: statements with their values, requests, \
         commands; without secrets, and of very many the first",
    )
    .query(&["item", "attempt"])
    .gives(of::<RenderedList>),
);

/// What an attempt has executed, in its order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RenderedList {
    pub attempt: u32,
    pub rendered: Vec<Rendered>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    item: Option<u32>,
    attempt: Option<u32>,
}

async fn rendered(
    State(app): State<Arc<App>>,
    Path((run, task)): Path<(String, String)>,
    Search(Which { item, attempt }): Search<Which>,
) -> Result<Json<RenderedList>, Problem> {
    let place = Place {
        app,
        run,
        task,
        item,
        attempt,
    };
    let log = place.find().await?;
    let rendered = tokio::task::spawn_blocking(move || read_rendered(&log.path)).await;
    let rendered = rendered.map_err(std::io::Error::other).flatten();
    Ok(Json(RenderedList {
        attempt: log.attempt,
        rendered: rendered.map_err(|error| Trouble::Other(error.to_string()))?,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    item: Option<u32>,
    attempt: Option<u32>,
    #[serde(default)]
    from: i64,
    bytes: Option<u64>,
    #[serde(default)]
    follow: bool,
}

async fn show(
    State(app): State<Arc<App>>,
    Path((run, task)): Path<(String, String)>,
    Search(asked): Search<Asked>,
) -> Result<Response, Problem> {
    let place = Place {
        app: app.clone(),
        run,
        task,
        item: asked.item,
        attempt: asked.attempt,
    };
    let log = place.find().await?;
    let size = tokio::fs::metadata(&log.path).await;
    let size = size.map_or(0, |metadata| metadata.len());
    let from = match u64::try_from(asked.from) {
        Ok(from) => from.min(size),
        Err(_) => size.saturating_sub(asked.from.unsigned_abs()),
    };
    let reading = Reading {
        // The attempt that was found first, also when there is another meanwhile.
        place: Place {
            attempt: Some(log.attempt),
            ..place
        },
        generation: log.generation,
        path: log.path,
        file: None,
        at: from,
        left: asked.bytes.unwrap_or(u64::MAX),
        follow: asked.follow,
        ended: log.ended,
        looks: 0,
    };
    let pieces = stream::unfold(reading, |mut reading| async {
        let piece = reading.next().await;
        piece.transpose().map(|piece| (piece, reading))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    for (name, value) in [("x-log-from", from), ("x-log-size", size)] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    Ok(response)
}

/// Whose log it is.
struct Place {
    app: Arc<App>,
    run: String,
    task: String,
    item: Option<u32>,
    attempt: Option<u32>,
}

impl Place {
    /// The log's file: its path is made of what the store knows.
    async fn find(&self) -> Result<LogFile, Problem> {
        let store = self.app.store.as_ref();
        let row = find::run_of_id(store, &self.run).await?;
        let version = find::version(store, &row).await?;
        let task = find::task(&version, &self.task)?;
        let chosen = Logs {
            task: Some(task),
            item: self.item,
            attempt: self.attempt,
        };
        let found = files(&self.app.places.state, store, &row, &version, chosen).await?;
        let own = found.into_iter().find(|log| log.id.item == self.item);
        Ok(own.ok_or_else(|| {
            let name = match self.item {
                Some(item) => format!("`{}[{item}]`", self.task),
                None => format!("`{}`", self.task),
            };
            Mistake::missing(match self.attempt {
                Some(attempt) => format!("attempt {attempt} of {name} hasn't started"),
                None => format!("{name} hasn't started"),
            })
        })?)
    }
}

/// A log that is being sent.
struct Reading {
    place: Place,
    generation: u32,
    path: PathBuf,
    file: Option<File>,
    at: u64,
    left: u64,
    follow: bool,
    ended: bool,
    looks: u32,
}

impl Reading {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        loop {
            if self.left == 0 {
                return Ok(None);
            }
            // First whether it has ended, then the file: what is written before the end is seen.
            let ended = self.ended;
            let piece = self.read().await?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
            if !self.follow || ended {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
            self.looks += 1;
            if self.looks.is_multiple_of(LOOKS) {
                let log = self.place.find().await;
                self.ended = log.is_ok_and(|log| log.ended || log.generation != self.generation);
            }
        }
    }

    async fn read(&mut self) -> std::io::Result<Bytes> {
        if self.file.is_none() {
            let mut file = match File::open(&self.path).await {
                Ok(file) => file,
                // It has logged nothing yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Bytes::new());
                }
                Err(error) => return Err(error),
            };
            file.seek(SeekFrom::Start(self.at)).await?;
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else {
            return Ok(Bytes::new());
        };
        let most = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let mut piece = Vec::with_capacity(most);
        let length = file.take(most as u64).read_to_end(&mut piece).await? as u64;
        self.at += length;
        self.left -= length;
        Ok(piece.into())
    }
}

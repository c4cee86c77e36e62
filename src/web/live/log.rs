//! A log that grows: its new lines, as pages show them.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::watch;

use crate::operate::log_window::{From, Wanted, read};
use crate::web::App;
use crate::web::page::{Asked, growing, lines};
use crate::web::route::{Needs, Route};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_millis(250);
/// So many looks without a new line for one at the store.
const LOOKS: u32 = 4;

pub(super) const LOG: Route = Route::get("/live/runs/{run}/tasks/{task}/log", Needs::Read, || {
    get(log)
})
.streaming();

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    from: u64,
}

/// The log that somebody reads along.
#[derive(Clone)]
struct Followed {
    app: Arc<App>,
    run: String,
    task: String,
    asked: Asked,
    path: PathBuf,
}

/// What was seen of a log last.
#[derive(Clone, Default)]
pub(in crate::web) struct Seen {
    /// Its newest lines, made once for all readers.
    newest: Option<Arc<Chunk>>,
    /// Nothing comes any more.
    ended: bool,
}

/// Lines as HTML, from one byte of the log until another one.
struct Chunk {
    from: u64,
    until: u64,
    html: String,
}

async fn log(
    State(app): State<Arc<App>>,
    Path((run, task)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    Query(since): Query<Since>,
) -> Response {
    let Some((path, _)) = growing(&app, (&run, &task), &asked).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let followed = Followed {
        app: app.clone(),
        run,
        task,
        asked,
        path,
    };
    let mut seen = app.looks.logs.join(&followed.path, |look| {
        tokio::spawn(follow(followed.clone(), since.from, look));
    });
    seen.mark_changed();
    let reader = Reader {
        path: followed.path,
        from: since.from,
        seen,
        fresh: true,
        ended: false,
    };
    let events = unfold(reader, async |mut reader| {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Reads a log for all who read along, until it has ended or nobody does any more.
async fn follow(followed: Followed, mut from: u64, look: Arc<watch::Sender<Seen>>) {
    let app = followed.app.clone();
    let mut quiet = 0;
    while !app.looks.logs.leave(&followed.path, &look) {
        if let Some(chunk) = chunk(&followed.path, from).await {
            from = chunk.until;
            quiet = 0;
            look.send_modify(|seen| seen.newest = Some(Arc::new(chunk)));
            continue;
        }
        quiet += 1;
        if quiet % LOOKS == 0 && !followed.grows().await {
            // What was written before the end is seen.
            let last = chunk(&followed.path, from).await.map(Arc::new);
            app.looks.logs.end(&followed.path);
            look.send_modify(|seen| {
                seen.ended = true;
                seen.newest = last.or(seen.newest.take());
            });
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = look.closed() => {}
        }
    }
}

impl Followed {
    async fn grows(&self) -> bool {
        let found = growing(&self.app, (&self.run, &self.task), &self.asked).await;
        // A later attempt has a log of its own.
        found.is_some_and(|(path, grows)| grows && path == self.path)
    }
}

/// The next lines from a byte on; `None`: there are none yet.
async fn chunk(path: &std::path::Path, from: u64) -> Option<Chunk> {
    let path = path.to_owned();
    let read = move || {
        let window = read(&path, From::Byte(from), &Wanted::default()).ok()?;
        (!window.lines.is_empty()).then(|| Chunk {
            from,
            until: window.until,
            html: lines(&window.lines, "").replace('\n', ""),
        })
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

/// One who reads along.
struct Reader {
    path: PathBuf,
    from: u64,
    seen: watch::Receiver<Seen>,
    /// He may be behind what others have read.
    fresh: bool,
    ended: bool,
}

impl Reader {
    /// The next lines, or that there will be none; `None` after that.
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            let seen = self.seen.borrow_and_update().clone();
            let newest = seen.newest.filter(|newest| newest.until > self.from);
            let event = |chunk: &Chunk| Event::default().event("lines").data(&chunk.html);
            if let Some(newest) = newest.as_ref().filter(|newest| newest.from == self.from) {
                self.from = newest.until;
                self.fresh = false;
                return Some(event(newest));
            }
            // Who began elsewhere, or was too slow for the newest, reads for himself.
            if self.fresh || newest.is_some() {
                if let Some(own) = chunk(&self.path, self.from).await {
                    self.from = own.until;
                    self.seen.mark_changed();
                    return Some(event(&own));
                }
                self.fresh = false;
            }
            if seen.ended {
                self.ended = true;
                return Some(Event::default().event("ended").data("now"));
            }
            self.seen.changed().await.ok()?;
        }
    }
}

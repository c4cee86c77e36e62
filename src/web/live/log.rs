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

use crate::operate::log_window::{From, Wanted, Window, read};
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

/// One who reads along.
struct Reader {
    app: Arc<App>,
    run: String,
    task: String,
    asked: Asked,
    path: PathBuf,
    from: u64,
    quiet: u32,
    ended: bool,
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
    let reader = Reader {
        app,
        run,
        task,
        asked,
        path,
        from: since.from,
        quiet: 0,
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

impl Reader {
    /// The next lines, or that there will be none; `None` after that.
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            let window = self.window().await;
            if !window.lines.is_empty() {
                self.from = window.until;
                self.quiet = 0;
                let html = lines(&window.lines, "").replace('\n', "");
                return Some(Event::default().event("lines").data(html));
            }
            if self.quiet % LOOKS == LOOKS - 1 && !self.grows().await {
                // What was written before the end is seen.
                let last = self.window().await;
                if last.lines.is_empty() {
                    self.ended = true;
                    return Some(Event::default().event("ended").data("now"));
                }
                continue;
            }
            self.quiet += 1;
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn window(&self) -> Window {
        let (path, from) = (self.path.clone(), From::Byte(self.from));
        let read = move || read(&path, from, &Wanted::default());
        let window = tokio::task::spawn_blocking(read).await;
        window.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn grows(&self) -> bool {
        let found = growing(&self.app, (&self.run, &self.task), &self.asked).await;
        found.is_some_and(|(_, grows)| grows)
    }
}

//! Tells a page that what it shows has changed.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream::unfold;
use tokio::sync::watch;

use crate::daemon::schedule::DaemonLock;
use crate::model::RunId;
use crate::operate::Trouble;
use crate::operate::find::look_at;
use crate::operate::tone::Tone;
use crate::store::RunFilter;
use crate::web::App;
use crate::web::route::{Needs, Route};

/// Between two looks at the store.
const LOOK: Duration = Duration::from_millis(500);
/// Runs of the home page that are looked at.
const RUNS: u32 = 60;

pub(super) const HOME: Route = Route::get("/live/home", Needs::Read, || get(home)).streaming();
pub(super) const RUN: Route = Route::get("/live/runs/{run}", Needs::Read, || get(run)).streaming();

/// What a page shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::web) enum Shown {
    Home,
    Run(RunId),
}

/// What was last seen of it; `None`: nothing yet.
pub(in crate::web) type Print = Option<u64>;

async fn home(State(app): State<Arc<App>>) -> Response {
    tell(&app, &Shown::Home)
}

async fn run(State(app): State<Arc<App>>, Path(run): Path<String>) -> Response {
    match RunId::new(&run) {
        Ok(run) => tell(&app, &Shown::Run(run)),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Tells of every change, until nobody listens.
fn tell(app: &Arc<App>, shown: &Shown) -> Response {
    let mut seen = app.looks.pages.join(shown, |look| {
        tokio::spawn(look_on(app.clone(), shown.clone(), look));
    });
    // What was seen so far is told, too: something may have happened since the page was made.
    seen.mark_changed();
    let changes = unfold(seen, async |mut seen| {
        while seen.changed().await.is_ok() {
            if seen.borrow_and_update().is_some() {
                let event = Event::default().event("changed").data("now");
                return Some((Ok::<_, Infallible>(event), seen));
            }
        }
        None
    });
    Sse::new(changes)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Looks for all who see the same page.
async fn look_on(app: Arc<App>, shown: Shown, look: Arc<watch::Sender<Print>>) {
    while !app.looks.pages.leave(&shown, &look) {
        // What can't be read now has not changed.
        if let Ok(print) = print(&app, &shown).await {
            look.send_if_modified(|last| last.replace(print) != Some(print));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = look.closed() => {}
        }
    }
}

/// What differs when a page would.
async fn print(app: &App, shown: &Shown) -> Result<u64, Trouble> {
    let mut print = DefaultHasher::new();
    let store = app.store.as_ref();
    match shown {
        Shown::Home => {
            let latest = RunFilter {
                limit: RUNS,
                ..RunFilter::default()
            };
            for run in store.runs(&latest).await? {
                (run.id.as_str(), run.state.as_str(), run.started).hash(&mut print);
            }
            for row in store.schedules().await? {
                (row.dag.as_str(), row.paused, row.memory.decided).hash(&mut print);
            }
            DaemonLock::holder(&app.places.state)
                .map(|owner| owner.0)
                .hash(&mut print);
            std::ptr::from_ref(app.snapshot().as_ref()).hash(&mut print);
        }
        Shown::Run(id) => {
            let found = store.runs_by_id(std::slice::from_ref(id)).await?;
            for row in found {
                let (row, interrupted) = look_at(&app.places.state, store, row).await?;
                (Tone::of_run(row.state, interrupted), row.started).hash(&mut print);
            }
            for row in store.task_runs(id).await? {
                let tone = Tone::of_task(&row.state, false);
                (row.id, row.generation, row.attempts, tone).hash(&mut print);
            }
        }
    }
    Ok(print.finish())
}

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
#[derive(Clone)]
enum Shown {
    Home,
    Run(RunId),
}

async fn home(State(app): State<Arc<App>>) -> Response {
    tell(app, Shown::Home)
}

async fn run(State(app): State<Arc<App>>, Path(run): Path<String>) -> Response {
    match RunId::new(&run) {
        Ok(run) => tell(app, Shown::Run(run)),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Tells of every change, until nobody listens.
fn tell(app: Arc<App>, shown: Shown) -> Response {
    let changes = unfold((app, shown, None), async |(app, shown, mut last)| {
        loop {
            // What can't be read now has not changed. The first look is told, too: something may have
            // happened since the page was made.
            if let Ok(print) = print(&app, &shown).await
                && last.replace(print) != Some(print)
            {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let event = Event::default().event("changed").data("now");
        Some((Ok::<_, Infallible>(event), (app, shown, last)))
    });
    Sse::new(changes)
        .keep_alive(KeepAlive::default())
        .into_response()
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

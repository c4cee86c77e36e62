//! The pages: each reads the store, builds a view and renders a template. None holds a state or a
//! policy of its own.

mod act;
mod backfill;
mod dag;
mod data;
mod editor;
mod frame;
mod grid;
mod home;
mod log;
mod past;
mod people;
mod picture;
mod project;
mod run;
mod run_graph;
mod run_tasks;
mod runs;
mod schedule;
mod source;
mod task;
mod tasks_of;
mod template;
mod trigger;
mod view;

pub(super) use log::lines;
pub(super) use task::{Asked, growing};

use serde::Serialize;

use super::asset;
use super::route::Route;

/// All pages.
pub(super) const ROUTES: &[Route] = &[
    home::HOME,
    runs::RUNS,
    run::RUN,
    act::CANCEL,
    act::RETRY,
    act::MARK,
    task::TASK,
    task::LOG,
    data::DATA,
    picture::PICTURE,
    dag::DAG,
    grid::GRID,
    past::PAST,
    source::SOURCE,
    act::PAUSE,
    act::UNPAUSE,
    trigger::FORM,
    trigger::BEGIN,
    backfill::FORM,
    backfill::BEGIN,
    schedule::SCHEDULE,
    project::CONNECTIONS,
    project::PROBE,
    project::ABOUT,
    people::AUDIT,
    people::SESSIONS,
    people::END,
];

/// How people may come in here.
#[derive(Debug, Serialize)]
pub(super) struct Ways {
    /// What the provider is called, when there is one.
    pub(super) provider: Option<String>,
    /// Whether passwords let in.
    pub(super) passwords: bool,
}

/// What somebody sees who isn't signed in. `next`: the path that was asked for; `wrong`: why a try
/// to sign in failed.
pub(super) fn sign_in(ways: &Ways, next: &str, wrong: Option<&str>) -> String {
    #[derive(Serialize)]
    struct SignIn<'a> {
        ways: &'a Ways,
        next: &'a str,
        wrong: Option<&'a str>,
        assets: &'static str,
    }
    let view = SignIn {
        ways,
        next,
        wrong,
        assets: asset::VERSION.as_str(),
    };
    template::render("sign_in.html", &view).to_string()
}

/// The page asks for itself again, or for another one, as a page of ours: browsers send the session's
/// cookie then, which they keep back when another site led here.
pub(super) fn once_more(next: Option<&str>) -> String {
    #[derive(Serialize)]
    struct OnceMore<'a> {
        next: Option<&'a str>,
        assets: &'static str,
    }
    let view = OnceMore {
        next,
        assets: asset::VERSION.as_str(),
    };
    template::render("once_more.html", &view).to_string()
}

/// What somebody sees when a page can't be shown.
pub(super) fn problem(status: u16, title: &str, detail: &str) -> String {
    let _ = status;
    frame::bare(title, detail)
}

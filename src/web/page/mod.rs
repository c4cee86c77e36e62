//! The pages: each reads the store, builds a view and renders a template. None holds a state or a
//! policy of its own.

mod dag;
mod frame;
mod grid;
mod home;
mod log;
mod past;
mod run;
mod run_graph;
mod run_tasks;
mod runs;
mod source;
mod task;
mod template;
mod view;

pub(super) use log::lines;
pub(super) use task::{Asked, growing};

use serde::Serialize;

use super::asset;
use super::route::Route;

/// All pages.
pub(super) const ROUTES: &[Route] = &[
    dag::DAG,
    grid::GRID,
    home::HOME,
    past::PAST,
    source::SOURCE,
    run::RUN,
    runs::RUNS,
    task::TASK,
    task::LOG,
];

/// What somebody sees who isn't signed in. `next`: the path that was asked for; `wrong`: why a try
/// to sign in failed.
pub(super) fn sign_in(next: &str, wrong: Option<&str>) -> String {
    #[derive(Serialize)]
    struct SignIn<'a> {
        next: &'a str,
        wrong: Option<&'a str>,
        assets: &'static str,
    }
    let view = SignIn {
        next,
        wrong,
        assets: asset::VERSION.as_str(),
    };
    template::render("sign_in.html", &view).to_string()
}

/// What somebody sees when a page can't be shown.
pub(super) fn problem(status: u16, title: &str, detail: &str) -> String {
    let _ = status;
    frame::bare(title, detail)
}

//! The API, `/api/v1`: one file a resource.

mod backfill;
mod command;
mod dag;
mod data;
mod extract;
mod find;
mod health;
mod log;
mod metrics;
mod next;
mod openapi;
mod people;
mod run;
mod webhook;

pub(super) use backfill::go_on;
pub use openapi::openapi;

use std::sync::Arc;

use serde::Deserialize;

use super::route::Route;
use super::{Problem, Snapshot};
use crate::spec::Project;

/// All of the API.
pub(super) const ROUTES: &[Route] = &[
    health::HEALTHZ,
    health::READYZ,
    metrics::SHOW,
    openapi::SHOW,
    dag::LIST,
    dag::SHOW,
    dag::PAUSE,
    run::OF_DAG,
    run::TRIGGER,
    backfill::POST,
    webhook::CALL,
    next::WHY_DAG,
    next::NEXT,
    find::SHOW,
    run::LIST,
    run::SHOW,
    run::ATTEMPTS,
    next::WHY_RUN,
    log::SHOW,
    log::RENDERED,
    data::SHOW,
    command::CANCEL,
    command::RETRY,
    command::MARK,
    people::ME,
    people::USERS,
    people::SESSIONS,
    people::END_SESSION,
    people::TOKENS,
    people::MAKE_TOKEN,
    people::END_TOKEN,
    people::DEEDS,
];

/// How many of something.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
struct Limit(u32);

impl Limit {
    /// The most.
    const MOST: u32 = 1000;

    fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u32> for Limit {
    type Error = String;

    fn try_from(limit: u32) -> Result<Self, String> {
        if (1..=Self::MOST).contains(&limit) {
            return Ok(Self(limit));
        }
        Err(format!("`limit` is from 1 to {}", Self::MOST))
    }
}

/// The project as its files are now.
fn project(snapshot: &Snapshot) -> Result<&Arc<Project>, Problem> {
    snapshot.project.as_ref().ok_or_else(|| {
        Problem::new(axum::http::StatusCode::CONFLICT, "runner.yaml has mistakes")
            .help("`runner check` shows them, with their lines")
    })
}

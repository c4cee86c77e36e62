//! What the project has beside its DAGs: connections, pools, and what this program is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::frame::{Page, Place, Trouble, Visitor, process_of};
use super::template::render;
use crate::daemon::schedule::DaemonLock;
use crate::operate::words::bytes;
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const CONNECTIONS: Route = Route::get("/connections", Needs::Read, || get(connections));
pub(super) const PROBE: Route = Route::post("/connections", Needs::Run, || post(probe));
pub(super) const ABOUT: Route = Route::get("/about", Needs::Read, || get(about));

/// How long a connection may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct View<'a> {
    connections: Vec<Connection>,
    pools: Vec<Pool>,
    most: Option<u32>,
    may_run: bool,
    csrf: &'a str,
    tried: Option<Tried>,
}

#[derive(Serialize)]
struct Connection {
    name: String,
    kind: &'static str,
    used: Vec<String>,
}

#[derive(Serialize)]
struct Pool {
    name: String,
    slots: u32,
    tasks: Vec<String>,
}

#[derive(Serialize)]
struct Tried {
    name: String,
    error: Option<String>,
}

async fn connections(State(app): State<Arc<App>>, visitor: Visitor) -> Response {
    show(&app, &visitor, None)
}

#[derive(Deserialize)]
struct Asked {
    name: String,
}

async fn probe(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Form(asked): Form<Asked>,
) -> Result<Response, Trouble> {
    let snapshot = app.snapshot();
    let project = snapshot.project.as_ref();
    let found = project.and_then(|project| project.settings.connections.get(&asked.name).cloned());
    let missing = || Trouble::Missing(format!("There is no connection {}.", asked.name));
    let connection = found.ok_or_else(missing)?;
    let answer = tokio::time::timeout(PATIENCE, connection.probe()).await;
    let answer = answer.unwrap_or_else(|_| Err("it took longer than 10 s".to_owned()));
    // What the other side says may have in it what it was told.
    let mut error = answer.err();
    if let Some(text) = &mut error {
        for secret in connection.secrets().iter().filter(|one| !one.is_empty()) {
            *text = text.replace(secret.as_str(), "***");
        }
    }
    let tried = Tried {
        name: asked.name,
        error,
    };
    Ok(show(&app, &visitor, Some(tried)))
}

fn show(app: &App, visitor: &Visitor, tried: Option<Tried>) -> Response {
    let snapshot = app.snapshot();
    let mut view = View {
        connections: Vec::new(),
        pools: Vec::new(),
        most: None,
        may_run: visitor.may_run,
        csrf: &visitor.csrf,
        tried,
    };
    if let Some(project) = &snapshot.project {
        let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut waiting: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for pipeline in project.pipelines.values() {
            for (spec, shape) in pipeline.tasks.iter().zip(&pipeline.dag.tasks) {
                let dag = pipeline.id.to_string();
                for name in spec.action.connections() {
                    let users = users.entry(name).or_default();
                    if !users.contains(&dag) {
                        users.push(dag.clone());
                    }
                }
                if let Some((pool, _)) = &shape.pool {
                    let name = format!("{dag}.{}", spec.id);
                    waiting.entry(pool.as_str()).or_default().push(name);
                }
            }
        }
        let all = project.settings.connections.iter();
        view.connections = all
            .map(|(id, connection)| Connection {
                name: id.to_string(),
                kind: connection.kind(),
                used: users.get(id.as_str()).cloned().unwrap_or_default(),
            })
            .collect();
        let pools = project.settings.limits.pools.iter();
        view.pools = pools
            .map(|(id, slots)| Pool {
                name: id.to_string(),
                slots: *slots,
                tasks: waiting.get(id.as_str()).cloned().unwrap_or_default(),
            })
            .collect();
        view.most = project.settings.limits.max_active_tasks;
    }
    let page = Page {
        title: "Connections",
        place: Place::Connections,
        live: None,
        body: render("connections.html", &view),
    };
    page.show(app, visitor)
}

#[derive(Serialize)]
struct About {
    version: &'static str,
    project: String,
    profile: Option<String>,
    daemon: Option<String>,
    dags: usize,
    state: String,
    user: Option<String>,
    csrf: String,
}

async fn about(State(app): State<Arc<App>>, visitor: Visitor) -> Response {
    let snapshot = app.snapshot();
    let project = snapshot.project.as_ref();
    let root = &app.places.root;
    let file = std::fs::metadata(app.places.state.join("state.db"));
    let view = About {
        version: env!("CARGO_PKG_VERSION"),
        project: root
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        profile: project.and_then(|project| project.settings.profile.clone()),
        daemon: DaemonLock::holder(&app.places.state).map(|owner| process_of(&owner.0).to_owned()),
        dags: project.map_or(0, |project| project.pipelines.len()),
        state: file.map_or_else(|_| String::new(), |file| bytes(file.len())),
        user: visitor.user.clone(),
        csrf: visitor.csrf.clone(),
    };
    let page = Page {
        title: "About",
        place: Place::About,
        live: None,
        body: render("about.html", &view),
    };
    page.show(&app, &visitor)
}

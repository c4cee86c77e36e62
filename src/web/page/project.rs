//! What the project has beside its DAGs: connections, pools, and what this program is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::frame::{Page, Place, Trouble, Visitor, process_of};
use super::template::{Markup, markup, render};
use crate::daemon::schedule::DaemonLock;
use crate::model::{PoolId, Timestamp};
use crate::operate::moment;
use crate::operate::pools::{PoolUse, PoolUser, pools};
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
    taken: u32,
    /// How full it is, as a bar.
    share: Markup,
    holders: Vec<User>,
    waiting: Vec<User>,
    /// Users of either kind that are left out.
    more: usize,
    tasks: Vec<String>,
}

/// A task run that holds slots, or waits for some.
#[derive(Serialize)]
struct User {
    name: String,
    link: String,
    slots: u32,
    time: String,
}

#[derive(Serialize)]
struct Tried {
    name: String,
    error: Option<String>,
}

async fn connections(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Trouble> {
    show(&app, &visitor, None).await
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
    show(&app, &visitor, Some(tried)).await
}

async fn show(app: &App, visitor: &Visitor, tried: Option<Tried>) -> Result<Response, Trouble> {
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
        let mut used = pools(&app.places.state, app.store.as_ref(), project).await?;
        for (id, slots) in &project.settings.limits.pools {
            let tasks = waiting.get(id.as_str()).cloned().unwrap_or_default();
            let own = used.remove(id).unwrap_or_default();
            view.pools.push(pool(id, *slots, &own, tasks, app.now()));
        }
        view.most = project.settings.limits.max_active_tasks;
    }
    let page = Page {
        title: "Connections and pools",
        place: Place::Connections,
        live: Some("/live/home".to_owned()),
        body: render("connections.html", &view),
    };
    Ok(page.show(app, visitor))
}

/// Users of a pool that are listed, of each kind.
const USERS: usize = 12;

fn pool(id: &PoolId, slots: u32, own: &PoolUse, tasks: Vec<String>, now: Timestamp) -> Pool {
    let user = |one: &PoolUser| {
        let (run, task) = (&one.run, &one.task);
        let (item, query) = match one.item {
            Some(item) => (format!("[{item}]"), format!("?item={item}")),
            None => (String::new(), String::new()),
        };
        User {
            name: format!("{}.{task}{item}", one.dag),
            link: format!("/runs/{run}/tasks/{task}{query}"),
            slots: one.slots,
            time: one
                .since
                .map_or_else(String::new, |at| moment::took(at, now)),
        }
    };
    let share = f64::from(own.taken) / f64::from(slots.max(1)) * 100.0;
    Pool {
        name: id.to_string(),
        slots,
        taken: own.taken,
        share: markup(format!(
            r#"<svg class="lane s-busy" width="100%" height="10" aria-hidden="true"><rect class="ground" width="100%" height="8" y="1"/><rect width="{:.1}%" height="8" y="1"/></svg>"#,
            share.min(100.0)
        )),
        holders: own.holders.iter().take(USERS).map(user).collect(),
        waiting: own.waiting.iter().take(USERS).map(user).collect(),
        more: own.holders.len().saturating_sub(USERS) + own.waiting.len().saturating_sub(USERS),
        tasks,
    }
}

#[derive(Serialize)]
struct About {
    version: &'static str,
    project: String,
    profile: Option<String>,
    daemon: Option<String>,
    dags: usize,
    state: String,
    /// The schemas' address, as it was asked for.
    schema: String,
    user: Option<String>,
    csrf: String,
}

async fn about(State(app): State<Arc<App>>, visitor: Visitor, headers: HeaderMap) -> Response {
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
        schema: schema(&app, &headers),
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

/// Where editors find the schema of pipelines: on this server, as the browser names it.
fn schema(app: &App, headers: &HeaderMap) -> String {
    let scheme = if app.hosts.is_https() {
        "https"
    } else {
        "http"
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    format!(
        "{scheme}://{}/schema/pipeline.json",
        host.unwrap_or("localhost")
    )
}

//! What pages cost: `bench/web.sh`, or `cargo bench --bench web [-- past runs [folder]]`.
//!
//! Every page of a project of 100 DAGs with 10,000 runs behind it, then with a million; a log of
//! 100 MB; and 200 viewers of one log that grows. Times are from the request to the last byte of the
//! answer, the least of many: what else the machine does only adds to them.

mod asker;
mod limits;
mod pages;
mod past;
mod viewers;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use runner::connection::Places;
use runner::daemon::OwnerLock;
use runner::daemon::clock::clock;
use runner::secret::Environment;
use runner::spec::{Pipeline, Project};
use runner::store::SqliteStore;
use runner::web::account::Accounts;
use runner::web::{App, AppParts, Hosts, Listen, Proxies, Server, Serving};

use self::asker::Asker;
use self::limits::{Limits, say};
use self::past::{DAGS, begin, fill};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
/// Runs that go on meanwhile.
const GO_ON: usize = 20;
/// Of so many of the newest runs the tasks are known, too.
const WITH_TASKS: u32 = 5_000;

async fn measure(asker: Asker, served: Served) -> Result<bool, Failure> {
    let Served {
        store,
        places,
        project,
        past,
        ..
    } = served;
    let mut limits = Limits::default();
    let lock = OwnerLock::acquire(&places.state)?;
    let pipelines: Vec<&Arc<Pipeline>> = project.pipelines.values().take(GO_ON).collect();
    let going_on = begin(&pipelines, store.as_ref(), lock.owner()).await?;
    let few = FEW.min(past);
    let run = fill(&project, store.as_ref(), 0..few, WITH_TASKS).await?;
    let mut run = run.ok_or("no run")?;
    say(&format!("with {few} past runs"))?;
    pages::loads(&asker, &mut limits).await?;
    if past > few {
        let begun = Instant::now();
        fill(&project, store.as_ref(), few..past, WITH_TASKS).await?;
        let newest = fill(&project, store.as_ref(), 0..DAGS, DAGS).await?;
        run = newest.ok_or("no run")?;
        let filled = begun.elapsed();
        say(&format!("\nwith {past} past runs (made in {filled:.0?})"))?;
    }
    pages::pages(&asker, &mut limits, [&run, &going_on[7]], past).await?;
    pages::long_log(&asker, &mut limits, &places.state, &run).await?;
    say("\nwhile it is written")?;
    viewers::viewers(&asker, &mut limits, &places.state, &going_on[0]).await?;
    limits.end()
}

struct Served {
    store: Arc<SqliteStore>,
    places: Arc<Places>,
    project: Arc<Project>,
    address: std::net::SocketAddr,
    past: u32,
}

async fn serve(root: &Path, past: u32) -> Result<Served, Failure> {
    let (places, project) = past::project(root)?;
    let store = Arc::new(SqliteStore::open(&places.state.join("state.db")).await?);
    let serving = Serving {
        listen: "127.0.0.1:0".parse()?,
        public_urls: Vec::new(),
        trusted_proxies: Vec::new(),
        open: true,
    };
    let server = Server::bind(&serving).await?;
    let Listen::Address(address) = *server.listen() else {
        return Err("an address was asked for".into());
    };
    let read = places.clone();
    let app = App::new(AppParts {
        store: store.clone(),
        places: places.clone(),
        read: Arc::new(move || runner::spec::load(&read, None, Environment::of_process())),
        clock: clock(),
        hosts: Hosts::new(server.listen(), &[])?,
        proxies: Proxies::new(Vec::new()),
        accounts: Accounts::new(store.clone(), &places.state),
        open: true,
    });
    tokio::spawn(server.serve(app, std::future::pending()));
    Ok(Served {
        store,
        places,
        project,
        address,
        past,
    })
}

fn main() -> Result<ExitCode, Failure> {
    // Cargo adds `--bench` to what was given.
    let given = std::env::args().skip(1).filter(|given| given != "--bench");
    let given: Vec<String> = given.collect();
    let past = given.first().map_or(Ok(MANY), |past| past.parse())?;
    let folder = tempfile::tempdir_in(given.get(1).map_or(".", String::as_str))?;
    let root = folder.path().canonicalize()?;
    // As `runner` itself does; who asks has threads of its own, which don't count.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let asker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("asker")
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(&root, past))?;
    // Nobody speaks TLS here, but the library wants to know how.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let base = format!("http://{}", served.address);
    let hold = asker.block_on(asker.spawn(measure(Asker { client, base }, served)))??;
    asker.shutdown_background();
    runtime.shutdown_background();
    Ok(if hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

//! What every command starts from: the project's folder, its files, its store.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::arguments::Reach;
use super::{Arguments, Mistake};
use crate::connection::Places;
use crate::daemon::schedule::ReadProject;
use crate::document::Severity;
pub use crate::operate::unknown;
use crate::remote::Server;
use crate::secret::Environment;
use crate::spec::{self, Loaded, PIPELINES_FOLDER, Pipeline, Project, SETTINGS_FILE};
use crate::store::{RunStore, SqliteStore, StoreError};

/// The folder of everything that is made, in the project's folder.
const STATE_FOLDER: &str = ".runner";
/// The run state, in that folder.
const STATE_FILE: &str = "state.db";

/// What every command starts from.
pub struct Context {
    pub places: Arc<Places>,
    pub profile: Option<String>,
    pub environment: Environment,
    /// Who is asked instead of the files here.
    pub server: Option<Server>,
    /// The folder that paths on the command line are relative to.
    pub start: PathBuf,
    /// The folder that was found has no project in it.
    found: bool,
}

impl Context {
    /// Finds the project.
    pub fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        match arguments.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        let start = match &arguments.project {
            Some(folder) => folder
                .canonicalize()
                .map_err(|error| Mistake::new(format!("{}: {error}", folder.display())))?,
            None => std::env::current_dir().context("the current folder can't be found")?,
        };
        let project = if arguments.project.is_some() {
            is_project(&start).then(|| start.clone())
        } else {
            start
                .ancestors()
                .find(|folder| is_project(folder))
                .map(Path::to_path_buf)
        };
        let found = project.is_some();
        let root: PathBuf = project.unwrap_or_else(|| start.clone());
        Ok(Self {
            places: Arc::new(Places {
                state: root.join(STATE_FOLDER),
                root,
                executable: std::env::current_exe().context("runner's own file can't be found")?,
            }),
            server: server(arguments)?,
            profile: arguments.profile.clone(),
            environment: if arguments.command.carries_out_tasks() {
                Environment::of_process().with_commands()
            } else {
                Environment::of_process()
            },
            start,
            found,
        })
    }

    /// The project's folder; a mistake when there is none here.
    pub fn require_project(&self) -> anyhow::Result<&Path> {
        if self.found {
            return Ok(&self.places.root);
        }
        Err(Mistake::new(format!(
            "there is no project in {} or above it",
            self.places.root.display()
        ))
        .help("`runner init` makes one here; `--project FOLDER` names another folder")
        .into())
    }

    /// Reads the project, mistakes included.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        self.require_project()?;
        Ok(spec::load(
            &self.places,
            self.profile.as_deref(),
            self.environment.clone(),
        ))
    }

    /// Reads the project as this command did, each time anew: for what stays at work.
    pub fn reader(&self) -> ReadProject {
        let (places, profile) = (self.places.clone(), self.profile.clone());
        Arc::new(move || {
            let environment = Environment::of_process().with_commands();
            spec::load(&places, profile.as_deref(), environment)
        })
    }

    /// Reads the project; broken pipelines don't hinder the others.
    pub fn project(&self) -> anyhow::Result<(Arc<Project>, Loaded)> {
        let mut loaded = self.load()?;
        match loaded.project.take() {
            Some(project) => Ok((Arc::new(project), loaded)),
            None => Err(invalid(&loaded, |_| true)),
        }
    }

    /// One pipeline of the project; a mistake with the nearest name when it doesn't exist, its
    /// diagnostics when it is broken.
    pub fn pipeline(&self, name: &str) -> anyhow::Result<(Arc<Project>, Arc<Pipeline>)> {
        let (project, loaded) = self.project()?;
        if let Some(pipeline) = project.pipelines.get(name) {
            let pipeline = pipeline.clone();
            return Ok((project, pipeline));
        }
        if let Some((path, _)) = loaded
            .broken
            .iter()
            .find(|(_, dag)| dag.as_deref() == Some(name))
        {
            return Err(invalid(&loaded, |file| file == path));
        }
        let names = project.pipelines.keys().map(crate::model::DagId::as_str);
        let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
        Err(unknown("DAG", name, names.chain(broken)).into())
    }

    /// Opens the run state.
    pub async fn store(&self) -> anyhow::Result<Arc<dyn RunStore>> {
        Ok(self.sqlite().await?)
    }

    /// The same, with the accounts that are in it.
    pub async fn sqlite(&self) -> anyhow::Result<Arc<SqliteStore>> {
        make_state_folder(&self.places.state)
            .with_context(|| format!("{} can't be made", self.places.state.display()))?;
        let store = SqliteStore::open(&self.places.state.join(STATE_FILE)).await?;
        Ok(Arc::new(store))
    }

    /// Begins to open the run state where there is one, so that it is open when the project has
    /// been read.
    pub fn begin_opening(&self, runtime: &Runtime) -> Opening {
        let path = self.places.state.join(STATE_FILE);
        Opening(path.is_file().then(|| {
            let open = async move { SqliteStore::open(&path).await };
            runtime.spawn(open)
        }))
    }

    /// Opens the run state if there is any: for commands that only read.
    pub async fn store_if_any(&self) -> anyhow::Result<Option<Arc<dyn RunStore>>> {
        if self.places.state.join(STATE_FILE).is_file() {
            return Ok(Some(self.store().await?));
        }
        Ok(None)
    }

    /// Whether standard output is a terminal.
    pub fn is_terminal() -> bool {
        std::io::stdout().is_terminal()
    }
}

/// A run state that is being opened.
pub struct Opening(Option<JoinHandle<Result<SqliteStore, StoreError>>>);

impl Opening {
    /// Waits for it; makes the run state when there was none.
    pub async fn end(self, context: &Context) -> anyhow::Result<Arc<SqliteStore>> {
        match self.0 {
            Some(opening) => Ok(Arc::new(opening.await??)),
            None => context.sqlite().await,
        }
    }
}

/// The server that is to be asked, if one is.
fn server(arguments: &Arguments) -> anyhow::Result<Option<Server>> {
    let environment = Environment::of_process();
    let set = |name| environment.get(name).filter(|value| !value.is_empty());
    let typed = arguments.server.as_deref();
    let (name, reach) = arguments.command.reach();
    let Some(address) = typed.or_else(|| set("RUNNER_SERVER")) else {
        return Ok(None);
    };
    let leave = match typed {
        Some(_) => "leave `--server` out",
        None => "unset RUNNER_SERVER",
    };
    match reach {
        Reach::Anywhere => {}
        // Whoever has set the variable doesn't mean this.
        Reach::Machine if typed.is_none() => return Ok(None),
        Reach::Machine => {
            let mistake =
                format!("`runner {name}` is about this machine: no server is asked for it");
            return Err(Mistake::new(mistake).help(leave).into());
        }
        Reach::Project => {
            let mistake = format!("`runner {name}` works only on the machine of the project");
            return Err(Mistake::new(mistake)
                .help(format!("run it there, or {leave} to do it here"))
                .into());
        }
    }
    let server = Server::new(address, set("RUNNER_TOKEN"))?;
    if server.is_exposed() {
        let (warn, name) = (super::look::WARN, server.name());
        writeln!(
            anstream::stderr(),
            "{warn}warning{warn:#}: RUNNER_TOKEN crosses the network where others can read it: \
             {name} isn't https"
        )?;
    }
    Ok(Some(server))
}

/// The folder of everything that is made; it keeps itself out of version control.
fn make_state_folder(state: &Path) -> std::io::Result<()> {
    if state.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(state)?;
    std::fs::write(state.join(".gitignore"), "*\n")
}

fn is_project(folder: &Path) -> bool {
    folder.join(SETTINGS_FILE).is_file() || folder.join(PIPELINES_FOLDER).is_dir()
}

/// The errors of some files, rendered, as the mistake of whoever runs the command.
fn invalid(loaded: &Loaded, of: impl Fn(&Path) -> bool) -> anyhow::Error {
    let errors: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .filter(|diagnostic| {
            let primary = loaded.sources.get(diagnostic.primary.span.source);
            of(&primary.path) || !primary.path.starts_with(PIPELINES_FOLDER)
        })
        .cloned()
        .collect();
    let coloured = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let text = spec::render_text(&errors, &loaded.sources, coloured);
    Mistake::new(format!("the project has mistakes\n\n{}", text.trim_end())).into()
}

/// The runtime of commands that wait for something.
pub fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the async runtime can't be started")
}

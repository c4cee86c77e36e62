//! What all handlers share.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::connection::Places;
use crate::daemon::Control;
use crate::daemon::schedule::{ReadProject, Watch};
use crate::document::{Diagnostic, Sources};
use crate::secret::Environment;
use crate::spec::{Loaded, Project};
use crate::store::RunStore;
use crate::task::Clock;

use super::account::Accounts;
use super::live::Live;
use super::provider::Provider;
use super::{Hosts, Proxies};

/// What pages and API are made of.
pub struct AppParts {
    pub store: Arc<dyn RunStore>,
    pub places: Arc<Places>,
    /// Reads the project as the command did that serves it.
    pub read: ReadProject,
    pub clock: Clock,
    pub hosts: Hosts,
    /// Who is believed when it tells whose request it hands on.
    pub proxies: Proxies,
    pub accounts: Accounts,
    /// Nobody has to sign in.
    pub open: bool,
}

/// What all handlers share: the read side of the store, and the project as its files are now.
pub struct App {
    pub store: Arc<dyn RunStore>,
    pub places: Arc<Places>,
    pub clock: Clock,
    pub hosts: Hosts,
    /// Who is believed when it tells whose request it hands on.
    pub proxies: Proxies,
    pub accounts: Accounts,
    /// Whom people sign in by.
    pub(super) provider: Provider,
    /// Nobody has to sign in.
    pub open: bool,
    /// What is looked at for those who see pages.
    pub(super) looks: Live,
    project: watch::Receiver<Arc<Snapshot>>,
}

/// The project as its files were when they last changed.
#[derive(Debug)]
pub struct Snapshot {
    /// `None` when `runner.yaml` has mistakes.
    pub project: Option<Arc<Project>>,
    /// The files with mistakes, with their DAGs' names where they could be read.
    pub broken: Vec<(std::path::PathBuf, Option<String>)>,
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl From<Loaded> for Snapshot {
    fn from(loaded: Loaded) -> Self {
        Self {
            project: loaded.project.map(Arc::new),
            broken: loaded.broken,
            diagnostics: loaded.diagnostics,
            sources: loaded.sources,
        }
    }
}

impl App {
    /// Reads the project, and reads it again whenever its files change, as long as this lives.
    #[must_use]
    pub fn new(parts: AppParts) -> Arc<Self> {
        let AppParts {
            store,
            places,
            read,
            clock,
            hosts,
            proxies,
            accounts,
            open,
        } = parts;
        // Before the first look at the files: nothing changes unheard.
        let files = Watch::begin(places.root.clone());
        let (sender, project) = watch::channel(Arc::new(Snapshot::from(read())));
        let (control, changed) = mpsc::unbounded_channel();
        match files.and_then(|files| files.tell(control)) {
            Ok(()) => drop(tokio::spawn(reload(changed, sender, read))),
            Err(error) => tracing::warn!(%error, "changes of files aren't heard of by the pages"),
        }
        Arc::new(Self {
            store,
            places,
            clock,
            hosts,
            proxies,
            accounts,
            provider: Provider::new(&Environment::of_process()),
            open,
            looks: Live::default(),
            project,
        })
    }

    /// The project as its files are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.project.borrow().clone()
    }

    /// Tells of every change of the project's files.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.project.clone()
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> crate::model::Timestamp {
        (self.clock)()
    }
}

/// Reads the project whenever it changes, until nobody wants to know any more.
async fn reload(
    mut changed: mpsc::UnboundedReceiver<Control>,
    sender: watch::Sender<Arc<Snapshot>>,
    read: ReadProject,
) {
    loop {
        tokio::select! {
            () = sender.closed() => return,
            told = changed.recv() => if told.is_none() { return },
        }
        let read = read.clone();
        match tokio::task::spawn_blocking(move || read()).await {
            Ok(loaded) => drop(sender.send(Arc::new(Snapshot::from(loaded)))),
            Err(error) => tracing::error!(%error, "the project can't be read"),
        }
    }
}

//! A project in a temporary folder, and hosts that carry its runs out in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use runner::connection::Places;
use runner::daemon::clock::{clock, now, random};
use runner::daemon::{Host, HostParts, NewRun, News, OwnerLock};
use runner::model::{DataInterval, Json, RunId, RunSpec, TriggerKind};
use runner::secret::Environment;
use runner::spec::{Pipeline, Project};
use runner::store::{Owner, RunStore};
use tokio::sync::mpsc::UnboundedReceiver;

/// A project's folder with everything that its runs make.
pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) project: Arc<Project>,
}

/// A project of files: path and text.
pub(crate) fn scene(files: &[(&str, &str)]) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let project = load(folder.path());
    Scene { folder, project }
}

/// Reads the project in a folder; it must have no mistakes.
pub(crate) fn load(folder: &Path) -> Arc<Project> {
    let places = Arc::new(Places {
        root: folder.to_owned(),
        state: folder.join(".runner"),
        executable: PathBuf::from(env!("CARGO_BIN_EXE_runner")),
    });
    let loaded = runner::spec::load(&places, None, Environment::of_process());
    let text = runner::spec::render_text(&loaded.diagnostics, &loaded.sources, false);
    assert!(!loaded.has_errors(), "{text}");
    Arc::new(loaded.project.unwrap())
}

impl Scene {
    /// A DAG of the project.
    pub(crate) fn pipeline(&self, dag: &str) -> Arc<Pipeline> {
        self.project.pipelines[dag].clone()
    }

    /// The folder of the state; made when it is missing.
    pub(crate) fn state(&self) -> PathBuf {
        let state = self.folder.path().join(".runner");
        std::fs::create_dir_all(&state).unwrap();
        state
    }

    /// A host of this process with an owner of its own.
    pub(crate) fn host(&self, store: Arc<dyn RunStore>) -> (Host, UnboundedReceiver<News>) {
        let (news, heard) = tokio::sync::mpsc::unbounded_channel();
        let parts = HostParts {
            project: self.project.clone(),
            store,
            owner: OwnerLock::acquire(&self.state()).unwrap(),
            clock: clock(),
            news,
        };
        (Host::new(parts).unwrap(), heard)
    }

    /// A run of a DAG with its default parameters.
    pub(crate) fn run(&self, dag: &str) -> NewRun {
        new_run(self.pipeline(dag))
    }

    /// Carries out a run of a DAG to its end, and gives the host that did it.
    pub(crate) async fn carry_out(&self, dag: &str, store: Arc<dyn RunStore>) -> (Host, RunId) {
        let (mut host, _news) = self.host(store);
        let run = self.run(dag);
        let id = run.spec.id.clone();
        host.accept(run).await.unwrap();
        host.run_until_idle().await.unwrap();
        (host, id)
    }

    /// Goes on to the end with what a process has left behind, and gives the host that did it.
    /// A run that has ended is taken only by its name.
    pub(crate) async fn go_on(
        &self,
        store: Arc<dyn RunStore>,
        dead: &Owner,
        run: Option<&RunId>,
    ) -> Host {
        let (mut host, _news) = self.host(store.clone());
        for stored in store.adopt(dead, host.owner(), run).await.unwrap() {
            host.resume(stored).await.unwrap();
        }
        host.run_until_idle().await.unwrap();
        host
    }
}

/// Polls a host so many times, then drops it as a crash would.
pub(crate) async fn crash_after(mut host: Host, polls: usize) {
    let mut left = polls;
    let work = host.run_until_idle();
    tokio::pin!(work);
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        work.as_mut().poll(cx).map(|ended| ended.unwrap())
    })
    .await;
}

/// A run of a DAG with its default parameters.
pub(crate) fn new_run(pipeline: Arc<Pipeline>) -> NewRun {
    let params = pipeline.params.bind(&[]).unwrap();
    let now = now();
    let spec = RunSpec {
        id: RunId::generate(now, random()),
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        params: Json(serde_json::Value::Object(params).to_string().into()),
        interval: DataInterval {
            start: now,
            end: now,
        },
        logical_time: now,
        trigger: TriggerKind::Manual,
        seed: 7,
        priority: 0,
        only: None,
        created: now,
    };
    NewRun { spec, pipeline }
}

//! A project in a temporary folder, and the program that works in it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::embedded::postgres::acquire;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::machine::wait_until_none;
pub(crate) use crate::support::eventually::DEADLINE;
use crate::support::postgres::runner;

/// A project. Its processes have ended before the folder is removed.
pub(crate) struct Project {
    root: PathBuf,
    log: PathBuf,
    folder: Option<TempDir>,
}

impl Project {
    /// A project of files: path and text.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("kill-").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self {
            log: folder.path().join("said.txt"),
            root,
            folder: Some(folder),
        }
    }

    /// The same with a cluster that is made already: to make one takes most of a second.
    pub(crate) async fn with_server(files: &[(&str, &str)]) -> Self {
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster");
        fs::create_dir_all(&template).unwrap();
        let turn = File::create(template.join("lock")).unwrap();
        turn.lock().unwrap();
        let data = template.join("postgres/data");
        if !data.is_dir() {
            drop(acquire(&template, runner()).await.expect("a server"));
        }
        wait_until_none(&template);
        let project = Self::new(files);
        let folder = project.state().join("postgres");
        copy_folder(&data, &folder.join("data"));
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        project
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(".runner")
    }

    /// What all processes that were started here have said, for messages.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The program, about to be started in the project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let log = || {
            let opened = File::options().create(true).append(true).open(&self.log);
            Stdio::from(opened.unwrap())
        };
        let mut command = Command::new(runner());
        command
            .args(arguments)
            .current_dir(&self.root)
            .env_remove("RUNNER_ATTEMPT_ID")
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            // A test that fails must not leave a runner behind.
            .kill_on_drop(true);
        command
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs the program to its end and gives its exit code.
    pub(crate) async fn run(&self, arguments: &[&str]) -> i32 {
        code(self.end_of(&mut self.start(arguments)).await)
    }

    /// Waits for the end of the program, which must come.
    pub(crate) async fn end_of(&self, child: &mut Child) -> ExitStatus {
        let Ok(status) = tokio::time::timeout(DEADLINE, child.wait()).await else {
            panic!("it doesn't end:\n{}", self.said());
        };
        status.unwrap()
    }

    /// Files that should be gone when nothing runs: what is half written, owners, marks of attempts.
    pub(crate) fn litter(&self) -> Vec<PathBuf> {
        let mut litter = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.starts_with(self.state().join("postgres")) {
                    continue;
                }
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".partial")
                    || path.starts_with(self.state().join("tmp"))
                    || path.starts_with(self.state().join("owners"))
                {
                    litter.push(path);
                }
            }
        }
        litter
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What is there says what happened.
            if let Some(folder) = self.folder.take() {
                for process in super::machine::processes(&self.root) {
                    process.kill();
                }
                let kept = folder.keep();
                eprintln!("kept: {}", kept.display());
            }
            return;
        }
        wait_until_none(&self.root);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// An exit code; 128 and the signal's number when there was one.
pub(crate) fn code(status: ExitStatus) -> i32 {
    let signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(signal)
}

/// Sends a signal to a program that hasn't been waited for.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().expect("a running program")).unwrap();
    kill(Pid::from_raw(pid), signal).expect("a signal");
}

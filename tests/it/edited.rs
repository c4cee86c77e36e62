//! A pipeline that changes while a run of it is in flight: the run goes on with what it began with.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The first attempt of `first` kills the program that carries it out.
const YAML: &str = r#"
dag: work
tasks:
  first: { shell: 'test -e killed || { touch killed; kill -KILL "$PPID"; }' }
  second: { needs: first, shell: { file: second.sh } }
"#;

fn runner(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    let command = command.args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

/// Starts a run that is killed, changes the project, and lets another process go on.
fn check(change: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("pipelines")).unwrap();
    std::fs::write(path.join("pipelines/work.yaml"), YAML).unwrap();
    std::fs::write(path.join("second.sh"), "echo old > made.txt\n").unwrap();

    let killed = runner(path, &["trigger", "work"]);
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    change(path);
    let resumed = runner(path, &["resume"]);
    assert!(resumed.status.success(), "{resumed:?}");
    let made = std::fs::read_to_string(path.join("made.txt")).unwrap();
    assert_eq!(made, "old\n");
}

#[test]
fn a_run_goes_on_when_its_files_are_edited() {
    check(|folder| {
        let edited = YAML.replace("second:", "third: {}\n  second:");
        std::fs::write(folder.join("pipelines/work.yaml"), edited).unwrap();
        std::fs::write(folder.join("second.sh"), "echo new > made.txt\n").unwrap();
    });
}

#[test]
fn a_run_goes_on_when_its_pipeline_is_broken() {
    check(|folder| std::fs::write(folder.join("pipelines/work.yaml"), "dag: [").unwrap());
}

#[test]
fn a_run_goes_on_when_its_pipeline_is_deleted() {
    check(|folder| {
        std::fs::remove_file(folder.join("pipelines/work.yaml")).unwrap();
        std::fs::remove_file(folder.join("second.sh")).unwrap();
    });
}

//! The program in a copy of the repository's project.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use sqlx::{ConnectOptions as _, Executor as _};

use crate::support::postgres::TestDatabase;

/// A copy of the repository's pipelines and what they need, with room for samples and answers.
pub(crate) fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["runner.yaml", "pipelines", "sql"] {
        copy(&repository.join(part), &folder.path().join(part));
    }
    std::fs::create_dir(folder.path().join("samples")).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// Runs the program in a project; the environment has these variables, too.
pub(crate) fn runner(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let output = command(folder, arguments, environment);
    assert!(
        output.status.success(),
        "runner {arguments:?}: {}\n{}",
        output.status,
        said(&output)
    );
    output
}

/// Runs the program, whose run has to fail; gives what it says.
pub(crate) fn runner_that_fails(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> String {
    let output = command(folder, arguments, environment);
    assert_eq!(
        output.status.code(),
        Some(3),
        "runner {arguments:?}\n{}",
        said(&output)
    );
    said(&output)
}

fn command(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(arguments)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The rows of a query as PostgreSQL writes their values when its zone is UTC; `None` is NULL.
pub(crate) async fn rows(database: &TestDatabase, query: &str) -> Vec<Vec<Option<String>>> {
    use futures_util::TryStreamExt as _;
    let mut connection = database.options.connect().await.unwrap();
    connection.execute("set timezone = 'UTC'").await.unwrap();
    // In the text format nothing is quoted: a tab parts values, and some characters are escaped.
    let parts = connection
        .copy_out_raw(&format!("copy ({query}) to stdout"))
        .await
        .unwrap();
    let parts: Vec<_> = parts.try_collect().await.unwrap();
    let text = String::from_utf8(parts.concat()).unwrap();
    let value = |value: &str| match value {
        "\\N" => None,
        value => Some(
            value
                .replace("\\n", "\n")
                .replace("\\t", "\t")
                .replace("\\\\", "\\"),
        ),
    };
    text.lines()
        .map(|line| line.split('\t').map(value).collect())
        .collect()
}

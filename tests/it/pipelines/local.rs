//! `--profile local`: without network, keys, Docker, and a variable that says where anything is.

use super::runs::{project, runner};

/// No variable of a connection, and no way out: a request to anywhere else would go to a proxy that isn't there.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HTTP_PROXY", "http://127.0.0.1:1"),
    ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ("ALL_PROXY", "http://127.0.0.1:1"),
];

#[test]
fn a_newcomer_sees_the_pipelines_run() {
    let folder = project();
    for dag in [
        "ingest_data",
        "create_materialized_view",
        "bitcoin_elt_pipeline",
    ] {
        runner(
            folder.path(),
            &["trigger", dag, "--profile", "local"],
            ENVIRONMENT,
        );
    }
    let table = [
        "db",
        "tickers_db",
        "--",
        "-Atc",
        "select count(*), count(distinct base) from luxor_data",
    ];
    let output = runner(folder.path(), &table, ENVIRONMENT);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "300|3");
    // Its servers end with the last command that needs them, before the folder is removed.
    for server in ["exchange", "postgres"] {
        for lock in ["supervisor.lock", "server.lock"] {
            let path = folder.path().join(".runner").join(server).join(lock);
            crate::embedded::project::wait_until_free(&path);
        }
    }
}

//! Connections as a project configures them.

use std::path::Path;
use std::sync::Arc;

use runner::connection::{
    Connection, DatabaseError, Fetched, KINDS, Places, Session, Statement, Surroundings,
};
use runner::document::{Report, SourceId};
use runner::model::ConnectionId;
use runner::secret::Environment;
use runner::spec::read_yaml;
use serde_json::Value as Json;

/// The folders of a project in a temporary folder.
pub(crate) fn places(root: &Path) -> Arc<Places> {
    Arc::new(Places {
        root: root.to_path_buf(),
        state: root.join(".runner"),
        executable: super::postgres::runner().to_path_buf(),
    })
}

/// A connection from its value in `runner.yaml`, such as `{ postgres: "postgres://…" }`.
pub(crate) fn connection(name: &str, yaml: &str, places: &Arc<Places>) -> Arc<dyn Connection> {
    let mut report = Report::default();
    let node = read_yaml(SourceId(0), yaml, &mut report).expect("a document");
    let entry = &node.as_map().expect("a map")[0];
    let kind = KINDS
        .iter()
        .find(|kind| kind.name == &*entry.key.value)
        .expect("a kind");
    let id = ConnectionId::new(name).expect("a name");
    let environment = Environment::default();
    let mut surroundings = Surroundings {
        report: &mut report,
        id: &id,
        places,
        environment: &environment,
    };
    let made = (kind.parse)(&entry.value, &mut surroundings);
    assert_eq!(report.diagnostics(), [], "{yaml}");
    made.expect("a connection")
}

/// A connection to an empty database on the tests' server.
pub(crate) async fn postgres() -> (Arc<dyn Connection>, super::postgres::TestDatabase) {
    let database = super::postgres::database().await;
    let yaml = format!("postgres: \"{}\"", database.url);
    let places = places(Path::new("/nonexistent"));
    (connection("warehouse", &yaml, &places), database)
}

/// A session.
pub(crate) async fn session(connection: &Arc<dyn Connection>) -> Box<dyn Session> {
    let database = connection.as_database().expect("a database");
    database.session("test").await.expect("a session")
}

/// A statement and its values.
pub(crate) fn statement(text: &str, values: &[Json]) -> Statement {
    Statement {
        text: text.to_owned(),
        values: values.to_vec(),
    }
}

/// All rows of a statement, a NULL as `∅`, cells joined by `|`.
pub(crate) async fn rows(
    session: &mut dyn Session,
    text: &str,
    values: &[Json],
) -> Result<Vec<String>, DatabaseError> {
    let mut lines = Vec::new();
    match session.fetch(&statement(text, values)).await? {
        Fetched::Touched(touched) => lines.push(format!("touched {touched}")),
        Fetched::Rows(mut source) => {
            while let Some(batch) = source.next().await? {
                for row in 0..batch.rows() {
                    let cells: Vec<String> = batch
                        .row(row)
                        .map(|cell| match cell {
                            Some(cell) => String::from_utf8_lossy(cell).into_owned(),
                            None => "∅".to_owned(),
                        })
                        .collect();
                    lines.push(cells.join("|"));
                }
            }
        }
    }
    Ok(lines)
}

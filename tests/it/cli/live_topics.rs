//! `runner check --live`: what the broker knows, and what `check` tasks ask.

use insta::assert_snapshot;
use sqlx::{ConnectOptions as _, Executor as _};

use super::project::Project;
use crate::support::kafka::{brokers, cluster, declare, shared};
use crate::support::postgres::database;

const TOPICS: &str = "
dag: topics
tasks:
  declare:
    kafka:
      connection: events
      topics: { live-fresh: { partitions: 3 }, live-wide: { partitions: 2 }, live-narrow: { partitions: 6 } }
  produce: { needs: declare, kafka: { connection: events, produce: live-fresh, values: [{ a: 1 }] } }
  consume: { needs: produce, kafka: { connection: events, consume: live-fresh, dead_letter: live-dead } }
  send: { copy: { from: in.csv, to: { connection: events, topic: live-wyde } } }
  read: { copy: { from: { connection: events, topic: live-elsewhere }, to: out.csv } }
  template: { kafka: { connection: events, produce: \"{{ run.dag }}-live\", values: [{ a: 1 }] } }
";

const OTHER: &str = "
dag: other
tasks:
  declare: { kafka: { connection: events, topics: { live-elsewhere: {} } } }
";

const CHECKS: &str = "
dag: checks
params: { day: \"2020-08-20\" }
tasks:
  make: { sql: { connection: db, script: \"create table made (id int primary key, day date, state text)\" } }
  sound:
    needs: make
    check:
      connection: db
      table: made
      rules:
        - not_null: [id, day]
        - unique: [id, day]
        - accepted_values: { columns: state, values: [a, b] }
        - relationship: { column: id, to: kept.id }
        - range: { columns: id, min: 1, below: \"{{ params.day | length }}\" }
        - row_count: { min: 1 }
        - freshness: { column: day, max_age: 1d }
        - no_rows: select * from made where day > :day
  rules:
    needs: make
    check:
      connection: db
      table: made
      rules:
        - not_null: [id, dya]
        - unique: [id, dya]
        - accepted_values: { columns: sate, values: [a] }
        - relationship: { column: id, to: kept.idd }
        - range: { columns: [id, state], min: 1 }
        - freshness: { column: dey, max_age: 1d }
        - no_rows: select * from made where dai > :day
        - row_count: { min: 1 }
  subject:
    check:
      connection: db
      table: mode
      rules: [{ not_null: id }, { unique: id }]
  query:
    check:
      connection: db
      query: select idd from kept
      rules: [{ not_null: id }]
  column:
    check:
      connection: db
      query: select id from kept
      rules: [{ not_null: note }]
  lite:
    check:
      connection: lite
      table: nothing
      rules: [{ not_null: a }]
";

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_looked_up() {
    let cluster = cluster(&shared().await);
    declare(&cluster, "live-wide", 4).await;
    declare(&cluster, "live-narrow", 1).await;
    let settings = format!(
        "connections:\n  events: {{ kafka: \"{}\" }}\n",
        brokers().await
    );
    let project = Project::new(&[
        ("runner.yaml", &settings),
        ("in.csv", "a\n1\n"),
        ("pipelines/topics.yaml", TOPICS),
        ("pipelines/other.yaml", OTHER),
    ]);
    let told = project.transcript(&["check", "check --live --notes topics"]);
    assert_snapshot!("what_a_broker_says", told);
    let there = cluster.topics().await.unwrap();
    assert!(there.iter().all(|topic| topic.name != "live-fresh"));
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_read_what_checks_ask() {
    let database = database().await;
    let mut connection = database.options.connect().await.unwrap();
    connection
        .execute("create table kept (id int primary key, note int)")
        .await
        .unwrap();
    let settings = format!(
        "connections:\n  db: {{ postgres: \"{}\" }}\n  lite: {{ sqlite: lite.db }}\n",
        database.url
    );
    let project = Project::new(&[
        ("runner.yaml", &settings),
        ("pipelines/checks.yaml", CHECKS),
    ]);
    let told = project.transcript(&["check", "check --live"]);
    assert_snapshot!("what_databases_say_of_checks", told);
}

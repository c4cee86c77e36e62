//! `daily_batch`: every table and every answer, value by value.

use sqlx::{ConnectOptions as _, Executor as _, PgConnection};

use super::runs::{project, runner};
use crate::oracle::daily_batch::{Params, answers, tables};
use crate::samples::generator::{Scale, write};
use crate::support::postgres::database;

async fn check(seed: u64, params: Params<'_>) {
    let folder = project();
    let samples = folder.path().join("samples");
    write(&samples, &Scale::SMALL, seed).unwrap();
    let database = database().await;
    // Days are UTC, whatever the server's own time zone is.
    let mut connection = database.options.connect().await.unwrap();
    let zone = format!(
        "alter database \"{}\" set timezone = 'America/Mexico_City'",
        database.name
    );
    connection.execute(sqlx::AssertSqlSafe(zone)).await.unwrap();
    let environment = [("BATCH_URL", database.url.as_str())];
    let values = [
        ("day", params.day),
        ("from", params.from),
        ("to", params.to),
        ("currency", params.currency),
        ("tx_status", params.tx_status),
        ("count_deposits", params.count_deposits),
    ];
    let values: Vec<String> = values
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut arguments = vec!["trigger", "daily_batch"];
    for value in &values {
        arguments.extend(["-p", value]);
    }
    let expected = answers(&samples, &params);
    // A second run gives the same.
    for run in 1..=2 {
        runner(folder.path(), &arguments, &environment);
        for (number, expected) in (1..).zip(&expected) {
            let path = folder
                .path()
                .join(format!("bucket/batch_output/query{number}.csv"));
            let found = std::fs::read_to_string(path).unwrap();
            assert_eq!(
                found, *expected,
                "seed {seed}, run {run}, query{number}.csv"
            );
        }
        for table in tables(&samples) {
            let found = csv(&mut connection, table.query).await;
            assert_eq!(found, table.csv, "seed {seed}, run {run}, {}", table.name);
        }
    }
}

async fn csv(connection: &mut PgConnection, query: &str) -> String {
    use futures_util::TryStreamExt as _;
    let statement = format!("copy ({query}) to stdout (format csv)");
    connection.execute("set timezone = 'UTC'").await.unwrap();
    let parts = connection.copy_out_raw(&statement).await.unwrap();
    let parts: Vec<_> = parts.try_collect().await.unwrap();
    String::from_utf8(parts.concat()).unwrap()
}

#[tokio::test]
async fn every_table_and_every_answer_is_as_computed_independently() {
    tokio::join!(
        check(1, Params::default()),
        check(
            2,
            Params {
                day: "2020-02-29",
                currency: "btc",
                tx_status: "complete",
                ..Params::default()
            }
        ),
        check(
            3,
            Params {
                from: "2020-01-01",
                to: "2020-07-01",
                count_deposits: "on_day",
                ..Params::default()
            }
        ),
    );
}

//! What is special to PostgreSQL.

use std::fs;
use std::process::Command;

use runner::embedded::EmbeddedError;
use runner::embedded::postgres::ensure_database;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

use super::project::{Project, connect, number};
use crate::support::postgres::database;

#[tokio::test]
async fn the_settings_are_those_of_a_private_durable_server() {
    let project = Project::new();
    let server = project.acquire().await;
    let mut connection = connect(&server).await;
    let settings = [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("max_connections", "200"),
    ];
    for (name, expected) in settings {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .expect(name);
        assert_eq!(found, expected, "{name}");
    }
    let (sorted, upper): (bool, String) = sqlx::query_as("SELECT 'Z' < 'a', upper('straße é')")
        .fetch_one(&mut connection)
        .await
        .expect("query");
    assert!(sorted, "by code point");
    assert!(upper.ends_with('É'), "{upper}");
}

#[tokio::test]
async fn data_of_another_version_are_left_alone() {
    let project = Project::new();
    let data = project.server_dir().join("data");
    fs::create_dir_all(&data).expect("folder");
    fs::write(data.join("PG_VERSION"), "8\n").expect("file");
    let text = project
        .try_acquire()
        .await
        .expect_err("refused")
        .to_string();
    assert!(text.contains("was made by PostgreSQL 8"), "{text}");
    assert_eq!(fs::read_dir(&data).expect("folder").count(), 1);
}

#[tokio::test]
async fn a_project_may_have_a_long_path_and_odd_names() {
    let odd = "it's, \"quite\" long & ünusual %41 ".repeat(6);
    let project = Project::below(&format!("{odd}/{}", "x".repeat(200)));
    let server = project.acquire().await;
    assert!(server.socket_dir().starts_with("/tmp"));
    let mut connection = connect(&server).await;
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);

    let short = Project::below("a, \"b\" é%41");
    let server = short.acquire().await;
    let options: PgConnectOptions = server.url("postgres").parse().expect("a URL");
    let mut connection = PgConnection::connect_with(&options).await.expect("connect");
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
}

#[tokio::test]
async fn a_database_is_made_once_whoever_asks_and_whatever_its_name() {
    let project = Project::new();
    let server = project.acquire().await;
    let longest = "é".repeat(31);
    let names = [
        "prices",
        "SELECT",
        "a \"quoted\" name",
        "a/b?c=d&e%41",
        "Ünï ✓",
        &longest,
    ];
    for name in names {
        let at_once = (0..6).map(|_| ensure_database(&server, name));
        for made in futures_util::future::join_all(at_once).await {
            made.expect(name);
        }
        let options: PgConnectOptions = server.url(name).parse().expect("a URL");
        for options in [options, server.options(name)] {
            let mut connection = PgConnection::connect_with(&options).await.expect(name);
            let found: String = sqlx::query_scalar("SELECT current_database()::text")
                .fetch_one(&mut connection)
                .await
                .expect("query");
            assert_eq!(found, name);
        }
        let psql = Command::new("psql")
            .args(["-X", "-At", "-c", "SELECT current_database()"])
            .arg(server.url(name))
            .output();
        let psql = psql.expect("psql");
        let found = String::from_utf8_lossy(&psql.stdout);
        let said = String::from_utf8_lossy(&psql.stderr);
        assert_eq!(found.trim_end(), name, "{said}");
    }
    for name in ["", "a\0b", &"x".repeat(64)] {
        assert!(matches!(
            ensure_database(&server, name).await,
            Err(EmbeddedError::DatabaseName { .. })
        ));
    }
}

#[tokio::test]
async fn tests_get_databases_of_their_own_on_one_cluster() {
    let (first, second) = tokio::join!(database(), database());
    assert_ne!(first.name, second.name);
    assert_eq!(first.socket_dir, second.socket_dir);
    for database in [&first, &second] {
        let options: PgConnectOptions = database.url.parse().expect("a URL");
        for options in [&options, &database.options] {
            let mut connection = PgConnection::connect_with(options).await.expect("connect");
            let statement = format!("CREATE TABLE IF NOT EXISTS {} ()", database.name);
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .expect("a table");
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(number(&mut connection, tables).await, 1);
        }
    }
}

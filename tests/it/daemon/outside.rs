//! Rows and messages that start runs.

use nix::sys::signal::Signal;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};

use super::{Daemon, number, until};
use crate::kill::project::Project;
use crate::kill::truth::{sqlite, state};
use crate::support::{kafka, postgres};

const SHIP: &str = "\
dag: ship
trigger: { query: \"select id, country from orders where state = 'paid' order by id\", connection: shop, key: id, every: 1s }
tasks:
  ship: { sql: { connection: shop, script: \"insert into shipped values ({{ run.firing.row.id }}, {{ run.firing.row.country }})\" } }
";

async fn shipped(project: &Project) -> Vec<Vec<String>> {
    let query = "SELECT CAST(id AS TEXT), country FROM shipped ORDER BY id";
    sqlite(&project.root().join("shop.db"), query).await
}

#[tokio::test]
async fn a_row_starts_one_run_until_it_is_gone_and_back() {
    let project = Project::new(&[
        (
            "runner.yaml",
            "connections: { shop: { sqlite: shop.db } }\n",
        ),
        ("pipelines/ship.yaml", SHIP),
    ]);
    let shop = project.root().join("shop.db");
    let change = async |text: &str| sqlite(&shop, text).await;
    change("CREATE TABLE orders (id INTEGER, country TEXT, state TEXT)").await;
    change("CREATE TABLE shipped (id INTEGER, country TEXT)").await;
    change("INSERT INTO orders VALUES (1, 'DE', 'paid'), (2, 'FR', 'new')").await;
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    assert_eq!(shipped(&project).await, [["1", "DE"]]);
    let daemon = Daemon::start(&project, &[]).await;
    // What else is in the row doesn't matter.
    change("UPDATE orders SET country = 'AT' WHERE id = 1").await;
    change("UPDATE orders SET state = 'paid' WHERE id = 2").await;
    until("the second is shipped", &project, async || {
        shipped(&project).await.len() == 2
    })
    .await;
    assert_eq!(shipped(&project).await, [["1", "DE"], ["2", "FR"]]);
    // A query that fails is said, and asked again.
    change("ALTER TABLE orders RENAME TO away").await;
    until("it is said", &project, async || {
        project.said().contains("can't look for a row on shop")
    })
    .await;
    let why = || async {
        let out = project
            .command(&["why", "ship"])
            .stdout(std::process::Stdio::piped())
            .output();
        String::from_utf8(out.await.unwrap().stdout).unwrap()
    };
    let told = why().await;
    assert!(
        told.contains("trouble") && told.contains("no such table: orders"),
        "{told}"
    );
    change("DELETE FROM away WHERE id = 1").await;
    change("ALTER TABLE away RENAME TO orders").await;
    until("it looks again", &project, async || {
        number(&project, "SELECT count(*) FROM thing").await == 1
    })
    .await;
    assert!(!why().await.contains("trouble"));
    change("INSERT INTO orders VALUES (1, 'DE', 'paid')").await;
    until("it is back", &project, async || {
        shipped(&project).await.len() == 3
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn rows_of_postgresql_have_their_types() {
    let database = postgres::database().await;
    let mut shop = PgConnection::connect_with(&database.options).await.unwrap();
    let made = "
        CREATE TABLE orders (id uuid, paid timestamptz, amount numeric, note text);
        INSERT INTO orders VALUES
          ('6f0c1c5a-6d0c-4b0e-9d5e-0a3b8a3f3b11', '2026-03-29 01:30:00+01', 12345678901234567890.10, NULL),
          ('6f0c1c5a-6d0c-4b0e-9d5e-0a3b8a3f3b12', '2026-03-29 03:30:00+02', -0.5, 'it''s \u{e4} \"note\"');
        CREATE TABLE shipped (LIKE orders)";
    shop.execute(made).await.unwrap();
    let insert =
        ["id", "paid", "amount", "note"].map(|name| format!("{{{{ run.firing.row.{name} }}}}"));
    let ship = format!(
        "dag: ship\n\
         trigger: {{ query: 'select * from orders', connection: shop, key: id, every: 1s }}\n\
         tasks:\n\
         \x20 ship: {{ sql: {{ connection: shop, script: 'insert into shipped values ({})' }} }}\n",
        insert.join(", ")
    );
    let settings = format!(
        "connections: {{ shop: {{ postgres: '{}' }} }}\n",
        database.url
    );
    let project = Project::new(&[("runner.yaml", &settings), ("pipelines/ship.yaml", &ship)]);
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    let differ = "SELECT count(*), count(*) FILTER (WHERE o.paid = s.paid AND o.amount = s.amount \
                  AND o.note IS NOT DISTINCT FROM s.note) FROM orders o JOIN shipped s USING (id)";
    let row: (i64, i64) = sqlx::query_as(differ).fetch_one(&mut shop).await.unwrap();
    assert_eq!(row, (2, 2));
}

#[tokio::test]
async fn a_message_starts_one_run_whatever_happens_to_the_daemon() {
    let (cluster, topic) = kafka::topic("trades", 2).await;
    let brokers = kafka::brokers().await;
    let runner_yaml = format!("connections: {{ events: {{ kafka: \"{brokers}\" }} }}\n");
    let pipeline = format!(
        "dag: trades\n\
         trigger: {{ topic: {topic}, connection: events, from: earliest }}\n\
         overlap: allow\n\
         max_runs: 2\n\
         tasks:\n\
         \x20 note: {{ shell: {{ script: 'echo \"$P\" >> noted.txt', env: {{ P: '{{{{ run.firing.value.price }}}}' }} }} }}\n"
    );
    let project = Project::new(&[
        ("runner.yaml", &runner_yaml),
        ("pipelines/trades.yaml", &pipeline),
    ]);
    let sources = async || {
        let query = "SELECT substr(trigger_source, 1, instr(trigger_source, char(10)) - 1) FROM run ORDER BY 1";
        let rows = state(&project, query).await;
        rows.into_iter()
            .map(|mut row| row.remove(0))
            .collect::<Vec<String>>()
    };
    let expected = |upto: [i64; 2]| {
        let mut expected: Vec<String> = (0..2)
            .flat_map(|number| (0..upto[number]).map(move |offset| (number, offset)))
            .map(|(number, offset)| format!("message {offset} of {topic}/{number}"))
            .collect();
        expected.sort();
        expected
    };
    kafka::send(
        &cluster,
        &topic,
        &[(0, r#"{"price":1}"#), (1, r#"{"price":2}"#)],
    )
    .await;
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    assert_eq!(sources().await, expected([1, 1]), "{}", project.said());
    // Killed again and again, with messages that come meanwhile.
    for passage in 1..=6 {
        kafka::send(
            &cluster,
            &topic,
            &[(0, r#"{"price":3}"#), (0, r#"{"price":4}"#)],
        )
        .await;
        let mut command = project.command(&["schedule"]);
        let point = if passage % 2 == 0 { "before" } else { "after" };
        command.env("RUNNER_FAILPOINT", format!("{point}-store-write:{passage}"));
        let mut child = command.spawn().unwrap();
        let code = crate::kill::project::code(project.end_of(&mut child).await);
        assert_eq!(code, 137, "{}", project.said());
    }
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    assert_eq!(sources().await, expected([13, 1]), "{}", project.said());
    let open = "SELECT count(*) FROM run WHERE state <> 'success'";
    assert_eq!(number(&project, open).await, 0, "{}", project.said());
    // Live, and several together.
    let daemon = Daemon::start(&project, &[]).await;
    let together = pipeline
        .replace("from: earliest", "from: earliest, batch: 10")
        .replace("run.firing.value.price", "run.firing.messages | length");
    std::fs::write(project.root().join("pipelines/trades.yaml"), together).unwrap();
    until("it is read", &project, async || {
        project.said().contains("has changed")
    })
    .await;
    kafka::send(&cluster, &topic, &[(1, "[]"), (1, "no JSON"), (1, "{}")]).await;
    until("all are in runs", &project, async || {
        let places =
            "SELECT json_extract(memory, '$.places.\"events/' || $1 || '/1\"') FROM schedule";
        number(&project, &places.replace("$1", &format!("'{topic}'"))).await == 4
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    let more = sources().await.len() - 14;
    assert!((1..=3).contains(&more), "{more}");
}

//! `bitcoin_elt_pipeline`: candles of days that come whole and in parts.

use std::collections::BTreeMap;
use std::path::Path;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use super::decimal::number;
use super::fixed::{FixedServer, documented};
use super::runs::{project, rows, runner, runner_that_fails};
use crate::exchange::server::TestExchange;
use crate::support::postgres::{TestDatabase, database};

const DAG: &str = "bitcoin_elt_pipeline";

/// Opening, maximum, minimum and closing price, and how many prices there were.
type Candle = ([BigDecimal; 4], usize);

/// The candles of one answer.
fn candles(answer: &Value) -> BTreeMap<NaiveDate, Candle> {
    let mut days: BTreeMap<NaiveDate, Vec<(u64, BigDecimal)>> = BTreeMap::new();
    for point in answer["prices"].as_array().unwrap() {
        let millis = point[0].as_u64().unwrap();
        let time = DateTime::from_timestamp_millis(millis.try_into().unwrap()).unwrap();
        let price = number(&point[1].to_string());
        days.entry(time.date_naive())
            .or_default()
            .push((millis, price));
    }
    let candle = |mut points: Vec<(u64, BigDecimal)>| {
        points.sort_by_key(|(millis, _)| *millis);
        let prices: Vec<BigDecimal> = points.into_iter().map(|(_, price)| price).collect();
        let (high, low) = (prices.iter().max().unwrap(), prices.iter().min().unwrap());
        let ends = (prices[0].clone(), prices[prices.len() - 1].clone());
        ([ends.0, high.clone(), low.clone(), ends.1], prices.len())
    };
    days.into_iter()
        .map(|(day, points)| (day, candle(points)))
        .collect()
}

async fn stored(database: &TestDatabase) -> BTreeMap<NaiveDate, Candle> {
    let query = "select date, opening_price, maximum_price, minimum_price, closing_price, points from daily_candlestick";
    let rows = rows(database, query).await;
    let candle = |row: Vec<Option<String>>| {
        let text = |index: usize| row[index].clone().unwrap();
        let prices = [1, 2, 3, 4].map(|index| number(&text(index)));
        (text(0).parse().unwrap(), (prices, text(5).parse().unwrap()))
    };
    rows.into_iter().map(candle).collect()
}

/// The repository's project without the five minutes between two attempts.
fn hurried() -> tempfile::TempDir {
    let folder = project();
    let path = folder.path().join("pipelines/bitcoin_elt_pipeline.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("delay: 5m"));
    std::fs::write(&path, text.replace("delay: 5m", "delay: 1ms")).unwrap();
    folder
}

fn environment<'a>(database: &'a TestDatabase, url: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("CRYPTO_DATA_URL", &database.url),
        ("COINGECKO_URL", url),
        ("COINGECKO_RATE", "1000/s"),
    ]
}

fn assert_pictures(folder: &Path) {
    let pictures = folder.join("bucket/bitcoin_elt_pipeline");
    let png = std::fs::read(pictures.join("candlestick.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n"));
    let svg = std::fs::read_to_string(pictures.join("candlestick.svg")).unwrap();
    for text in ["Date", "Price (USD)", "Bitcoin"] {
        assert!(svg.contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_full_day_is_never_replaced_by_a_part_of_it() {
    let exchange = TestExchange::at("2026-08-10T12:34:56.789Z");
    let (database, folder) = (database().await, project());
    let url = exchange.url("coingecko");
    let environment = environment(&database, &url);
    let mut expected: BTreeMap<NaiveDate, Candle> = BTreeMap::new();
    let mut kept = 0;
    // Twice a day, the next morning, days later, and once more at the same time.
    for time in [
        "2026-08-10T12:34:56.789Z",
        "2026-08-10T23:30:00Z",
        "2026-08-11T09:00:00Z",
        "2026-08-14T15:00:01Z",
        "2026-08-14T15:00:01Z",
    ] {
        exchange.put("/clock", time);
        runner(folder.path(), &["trigger", DAG], &environment);
        let path = "/coingecko/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=7";
        let found = candles(&exchange.json(path));
        let dates = if time.contains("T23:30") { 7 } else { 8 };
        assert_eq!(found.len(), dates, "{time}");
        for (day, candle) in found {
            match expected.get(&day) {
                Some(known) if known.1 > candle.1 => kept += 1,
                _ => {
                    expected.insert(day, candle);
                }
            }
        }
        assert_eq!(stored(&database).await, expected, "at {time}");
        assert_pictures(folder.path());
    }
    assert!(kept >= 3, "{kept} days were known better");
    // On the hour there is one point less: now is on the grid.
    let raw = rows(&database, "select count(*), min(jsonb_array_length(prices)), min(jsonb_array_length(market_caps)), min(jsonb_array_length(total_volumes)) from market_chart").await;
    let raw: Vec<_> = raw[0]
        .iter()
        .map(|value| value.as_deref().unwrap())
        .collect();
    assert_eq!(raw, ["5", "168", "168", "168"], "what came is kept");

    // All of it can be made again from what was kept.
    rows(&database, "delete from daily_candlestick returning 1").await;
    runner(
        folder.path(),
        &["trigger", DAG, "--only", "transform"],
        &environment,
    );
    assert_eq!(stored(&database).await, expected);
}

#[tokio::test]
async fn the_documented_answer_gives_two_candles() {
    let server = FixedServer::new(|_| documented("coingecko_market_chart"));
    let (database, folder) = (database().await, project());
    let url = server.url();
    runner(
        folder.path(),
        &["trigger", DAG],
        &environment(&database, &url),
    );
    assert_eq!(
        server.asked(),
        ["/coins/bitcoin/market_chart?vs_currency=usd&days=7"]
    );
    let query = "select date, opening_price, maximum_price, minimum_price, closing_price, points from daily_candlestick order by 1";
    let found = rows(&database, query).await;
    let expected = [
        [
            "2024-03-31",
            "69702.3087473573",
            "69702.3087473573",
            "69702.3087473573",
            "69702.3087473573",
            "1",
        ],
        [
            "2024-04-01",
            "71246.9514406015",
            "71246.9514406015",
            "68887.7495158568",
            "68887.7495158568",
            "2",
        ],
    ];
    assert_eq!(
        found,
        expected.map(|row| row.map(|value| Some(value.to_owned())))
    );
    assert_pictures(folder.path());
}

#[tokio::test]
async fn verification_says_what_is_missing() {
    let (database, folder) = (database().await, hurried());
    let environment = environment(&database, "http://127.0.0.1:1");
    let verify = || {
        let arguments = ["trigger", DAG, "--only", "verify_data"];
        runner_that_fails(folder.path(), &arguments, &environment)
    };
    let said = verify();
    assert!(
        said.contains("the table market_chart doesn't exist"),
        "{said}"
    );
    runner(
        folder.path(),
        &["trigger", DAG, "--only", "create_tables"],
        &environment,
    );
    let said = verify();
    assert!(said.contains("the table market_chart has no row"), "{said}");
    for prices in ["'[]'", "null", "'{}'", "'7'"] {
        let insert = format!("insert into market_chart (prices) values ({prices}) returning 1");
        rows(&database, &insert).await;
        let said = verify();
        assert!(said.contains("no price in its list"), "{prices}: {said}");
    }
    rows(
        &database,
        "insert into market_chart (prices) values ('[[1, 2.5]]') returning 1",
    )
    .await;
    let arguments = ["trigger", DAG, "--only", "verify_data"];
    runner(folder.path(), &arguments, &environment);
}

#[tokio::test]
async fn a_broken_rule_is_named_with_its_number_and_a_sample() {
    let (database, folder) = (database().await, hurried());
    let environment = environment(&database, "http://127.0.0.1:1");
    runner(
        folder.path(),
        &["trigger", DAG, "--only", "create_tables"],
        &environment,
    );
    let good = "('2026-08-01', 2, 3, 1, 2.5)";
    for (rows_, rule, sample) in [
        ("('2026-08-02', 2, 3, 1, null)", "not_null", "2026-08-02"),
        ("(null, 2, 3, 1, 2)", "not_null", "null"),
        (
            "('2026-08-01', 2, 3, 1, 2), ('2026-08-01', 2, 3, 1, 2)",
            "unique",
            "2026-08-01",
        ),
        ("('2026-08-02', 2, 3, 0, 2)", "range", "2026-08-02"),
        (
            "('2026-08-02', 2, 3, 2.1, 2.5)",
            "minimum_price is at most",
            "2.1",
        ),
        (
            "('2026-08-02', 2, 3, 1, 3.5)",
            "maximum_price is at least",
            "3.5",
        ),
    ] {
        for statement in [
            "alter table daily_candlestick drop constraint if exists daily_candlestick_pkey",
            "alter table daily_candlestick alter date drop not null",
            "truncate daily_candlestick",
            &format!("insert into daily_candlestick values {good}"),
        ] {
            execute(&database, statement).await;
        }
        let test = ["trigger", DAG, "--only", "test"];
        runner(folder.path(), &test, &environment);
        execute(
            &database,
            &format!("insert into daily_candlestick values {rows_}"),
        )
        .await;
        let said = runner_that_fails(folder.path(), &test, &environment);
        for part in [rule, sample] {
            assert!(said.contains(part), "{rows_}: {part} isn't in\n{said}");
        }
    }
}

async fn execute(database: &TestDatabase, statement: &str) {
    use sqlx::{ConnectOptions as _, Executor as _};
    let mut connection = database.options.connect().await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    connection.execute(statement).await.unwrap();
}

#[tokio::test]
async fn an_empty_table_is_a_message_and_no_failure() {
    let (database, folder) = (database().await, project());
    let environment = environment(&database, "http://127.0.0.1:1");
    for only in ["create_tables", "visualize_data"] {
        let arguments = ["trigger", DAG, "--only", only];
        runner(folder.path(), &arguments, &environment);
    }
    let picture = "bucket/bitcoin_elt_pipeline/candlestick.png";
    assert!(!folder.path().join(picture).exists());
}

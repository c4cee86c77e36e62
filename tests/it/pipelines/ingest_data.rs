//! `ingest_data` and `create_materialized_view`: tickers to the digit, days to the last price.

use std::collections::BTreeSet;

use serde_json::Value;

use super::decimal::rounded;
use super::fixed::{FixedServer, documented};
use super::runs::{project, rows, runner, runner_that_fails};
use super::tickers::{LUXOR_DATA, Row, Seen, by_market, row};
use crate::exchange::server::TestExchange;
use crate::support::postgres::{TestDatabase, database};

const COINS: [&str; 3] = ["bitcoin", "ethereum", "zcash"];

/// The tickers of a page of each coin, as the exchange gives them to anybody.
fn tickers(exchange: &TestExchange, coins: &[&str], pages: u32) -> Vec<Value> {
    let pages = |coin: &&str| {
        let coin = (*coin).to_owned();
        (1..=pages).flat_map(move |page| {
            let path = format!("/coingecko/api/v3/coins/{coin}/tickers?page={page}");
            exchange.json(&path)["tickers"].as_array().unwrap().clone()
        })
    };
    coins.iter().flat_map(pages).collect()
}

fn environment<'a>(database: &'a TestDatabase, url: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("TICKERS_DB_URL", &database.url),
        ("COINGECKO_URL", url),
        ("COINGECKO_RATE", "1000/s"),
    ]
}

/// Coins are loaded side by side, the tickers of each in their order.
fn assert_loaded(found: &[Row], expected: &[Value]) {
    let coin = |row: &Row| row[23].clone();
    let mut expected: Vec<Row> = expected.iter().map(row).collect();
    expected.sort_by_key(coin);
    let mut found = found.to_vec();
    found.sort_by_key(coin);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn tickers_are_loaded_to_the_digit() {
    let exchange = TestExchange::at("2026-08-20T12:34:56Z");
    let (database, folder) = (database().await, project());
    let url = exchange.url("coingecko");
    let environment = environment(&database, &url);
    runner(folder.path(), &["trigger", "ingest_data"], &environment);
    let expected = tickers(&exchange, &COINS, 1);
    assert_eq!(expected.len(), 300);
    assert!(
        expected
            .iter()
            .any(|ticker| ticker["last"].to_string().len() > 17),
        "some prices have more digits than a float"
    );
    assert_loaded(&rows(&database, LUXOR_DATA).await, &expected);

    // Another coin and more pages are other words; a run adds to what is there.
    let words = [
        "trigger",
        "ingest_data",
        "-p",
        r#"coins=["solana"]"#,
        "-p",
        "pages=5",
    ];
    runner(folder.path(), &words, &environment);
    let more = tickers(&exchange, &["solana"], 2);
    assert_eq!(more.len(), 180);
    let all: Vec<Value> = expected.into_iter().chain(more).collect();
    assert_loaded(&rows(&database, LUXOR_DATA).await, &all);
}

#[tokio::test]
async fn the_documented_answer_is_loaded_to_the_digit() {
    let server = FixedServer::new(|_| documented("coingecko_tickers"));
    let (database, folder) = (database().await, project());
    let url = server.url();
    let words = ["trigger", "ingest_data", "-p", r#"coins=["bitcoin"]"#];
    runner(folder.path(), &words, &environment(&database, &url));
    assert_eq!(server.asked(), ["/coins/bitcoin/tickers?page=1"]);
    let answer: Value = serde_json::from_str(&documented("coingecko_tickers")).unwrap();
    let found = rows(&database, LUXOR_DATA).await;
    assert_loaded(&found, answer["tickers"].as_array().unwrap());
    // The same, spelled out.
    let column = |index: usize| -> Vec<Option<&str>> {
        found.iter().map(|row| row[index].as_deref()).collect()
    };
    assert_eq!(
        column(5),
        [
            Some("69476.00000000"),
            Some("64129.90000000"),
            Some("0.00001486")
        ]
    );
    assert_eq!(
        column(9),
        [
            Some("69498.00000000"),
            Some("69514.12345679"),
            Some("0.05070000")
        ]
    );
    assert_eq!(column(15), [Some("green"), None, Some("yellow")]);
    assert_eq!(
        column(16),
        [Some("0.010014"), Some("0.010016"), Some("0.600000")]
    );
    assert_eq!(
        column(17)[1],
        Some("2024-04-08 04:01:40+00"),
        "the offset counts"
    );
    assert_eq!(column(24), [Some("tether"), None, Some("ethereum")]);
}

#[tokio::test]
async fn a_failing_coin_leaves_nothing_and_is_tried_again() {
    let exchange = TestExchange::at("2026-08-20T12:34:56Z");
    // A throttled answer of each kind, and a broken one; then all is well.
    exchange.put(
        "/faults",
        "zcash:throttle*1\nzcash:throttle=1s*1\nzcash:truncate=500*1",
    );
    let (database, folder) = (database().await, project());
    let url = exchange.url("coingecko");
    let environment = environment(&database, &url);
    runner(folder.path(), &["trigger", "ingest_data"], &environment);
    let expected = tickers(&exchange, &COINS, 1);
    assert_loaded(&rows(&database, LUXOR_DATA).await, &expected);

    exchange.put("/faults", "zcash:status=404");
    let said = runner_that_fails(folder.path(), &["trigger", "ingest_data"], &environment);
    assert!(said.contains("404"), "{said}");
    let rows = rows(
        &database,
        "select count(*), count(*) filter (where coin_id = 'zcash') from luxor_data",
    )
    .await;
    assert_eq!(rows, [[Some("500".to_owned()), Some("100".to_owned())]]);
}

#[tokio::test]
async fn the_view_has_the_first_and_the_last_price_of_each_day() {
    let exchange = TestExchange::at("2026-08-20T12:34:56Z");
    let (database, folder) = (database().await, project());
    let url = exchange.url("coingecko");
    let environment = environment(&database, &url);
    let words = [
        "trigger",
        "ingest_data",
        "-p",
        r#"coins=["bitcoin", "zcash"]"#,
    ];
    let view = ["trigger", "create_materialized_view"];
    // It can be made before there is anything to look at.
    runner(folder.path(), &view, &environment);
    let mut seen = Vec::new();
    // Not in the order of time, as after a backfill; two days in UTC, a third a second before.
    for time in [
        "2026-08-20T12:34:56Z",
        "2026-08-20T00:01:00Z",
        "2026-08-20T23:59:59Z",
        "2026-08-19T23:59:59Z",
        "2026-08-20T18:00:00Z",
        "2026-08-21T00:30:00Z",
    ] {
        exchange.put("/clock", time);
        runner(folder.path(), &words, &environment);
        seen.extend(
            tickers(&exchange, &["bitcoin", "zcash"], 1)
                .iter()
                .map(Seen::of),
        );
        if time.starts_with("2026-08-19") {
            runner(folder.path(), &view, &environment);
            assert_eq!(view_rows(&database).await, expected_view(&seen));
        }
    }
    let before = expected_view(&seen).len();
    runner(folder.path(), &view, &environment);
    assert_eq!(view_rows(&database).await, expected_view(&seen));
    let days: BTreeSet<_> = seen.iter().map(|seen| seen.time.date_naive()).collect();
    assert!(days.len() >= 3 && before > 400, "{days:?}, {before}");
}

async fn view_rows(database: &TestDatabase) -> Vec<Row> {
    let query = "select base, target, market_name, day, open_price, high_price, low_price, close_price, total_volume \
                 from ohlcv_view order by base collate \"C\", target collate \"C\", market_name collate \"C\", day";
    rows(database, query).await
}

/// Nothing but a sort by time and a sum.
fn expected_view(seen: &[Seen]) -> Vec<Row> {
    let days = by_market(seen, |seen| {
        Some((seen.market.clone(), seen.time.date_naive()))
    });
    let candle = |((market, day), mut seen): (([String; 3], chrono::NaiveDate), Vec<&Seen>)| {
        // Stable: of the same moment, the one that was seen first.
        seen.sort_by_key(|seen| seen.time);
        let price = |seen: &Seen| rounded(&seen.price, 8);
        let high = seen.iter().max_by(|a, b| a.price.cmp(&b.price)).unwrap();
        let low = seen.iter().min_by(|a, b| a.price.cmp(&b.price)).unwrap();
        let volume = seen.iter().map(|seen| seen.volume.clone()).sum();
        let [base, target, name] = market;
        [
            base,
            target,
            name,
            day.to_string(),
            price(seen[0]),
            price(high),
            price(low),
            price(seen[seen.len() - 1]),
            rounded(&volume, 8),
        ]
        .into_iter()
        .map(Some)
        .collect()
    };
    days.into_iter().map(candle).collect()
}

#[tokio::test]
async fn readers_of_the_view_are_not_kept_waiting() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let exchange = TestExchange::at("2026-08-20T12:34:56Z");
    let (database, folder) = (database().await, project());
    let url = exchange.url("coingecko");
    let environment = environment(&database, &url);
    runner(
        folder.path(),
        &["trigger", "create_materialized_view"],
        &environment,
    );
    // A reader in the midst of its transaction: an exclusive lock would wait for it for ever.
    let mut reader = database.options.connect().await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    reading
        .execute("select count(*) from ohlcv_view")
        .await
        .unwrap();
    runner(folder.path(), &["trigger", "ingest_data"], &environment);
    runner(
        folder.path(),
        &["trigger", "create_materialized_view"],
        &environment,
    );
    reading.rollback().await.unwrap();
    assert_eq!(view_rows(&database).await.len(), 300);
}

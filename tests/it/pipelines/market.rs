//! `market_stream` and `crypto_metrics`: every row against an independent computation from the
//! messages themselves.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sqlx::{ConnectOptions as _, PgConnection};

use super::runs::{project, runner};
use crate::engine::random::Random;
use crate::exchange::server::TestExchange;
use crate::kill::truth::csv;
use crate::support::kafka::{Broker, cluster, send, values};
use crate::support::postgres::database;

/// A message that counts, with prices in cents.
struct Price {
    pair: String,
    bid: i128,
    ask: i128,
    time: i64,
}

/// A number with at most two decimals, in cents.
fn cents(value: &Json) -> Option<i128> {
    let text = match value {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = format!("{fraction:0<2}");
    Some(whole.parse::<i128>().ok()? * 100 + fraction.parse::<i128>().ok()?)
}

impl Price {
    fn read(message: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(message).ok()?;
        let pair = json.get("pair")?.as_str()?;
        (pair.len() <= 10).then_some(())?;
        Some(Self {
            pair: pair.to_owned(),
            bid: cents(json.get("bid")?)?,
            ask: cents(json.get("ask")?)?,
            time: json.get("timestamp")?.as_i64()?,
        })
    }
}

/// Whether a message is no dead letter.
pub(crate) fn counts(message: &str) -> bool {
    Price::read(message).is_some()
}

fn money(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The middle of two prices, whose sum is in cents.
fn half(sum: i128) -> String {
    format!("{}.{:03}", sum * 5 / 1000, sum * 5 % 1000)
}

fn time(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The rows of each pair, in their order, and of the windows.
fn expected(messages: &[String]) -> (String, String) {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut extremes: BTreeMap<String, (i128, i128, i128)> = BTreeMap::new();
    let mut windows: BTreeMap<(String, i64), (i128, i128, i128)> = BTreeMap::new();
    for price in messages.iter().filter_map(|message| Price::read(message)) {
        let (bid, ask, spread) = (price.bid, price.ask, price.ask - price.bid);
        let so_far = extremes
            .entry(price.pair.clone())
            .or_insert((bid, ask, spread));
        *so_far = (so_far.0.max(bid), so_far.1.min(ask), so_far.2.max(spread));
        rows.entry(price.pair.clone()).or_default().push(format!(
            "{},{},{},{},{},{},{},{},{}\n",
            price.pair,
            money(bid),
            money(ask),
            half(bid + ask),
            money(spread),
            money(so_far.0),
            money(so_far.1),
            money(so_far.2),
            time(price.time)
        ));
        let window = windows
            .entry((price.pair, price.time.div_euclid(60) * 60))
            .or_insert((0, 0, spread));
        *window = (window.0 + bid + ask, window.1 + 1, window.2.max(spread));
    }
    let windows = windows
        .into_iter()
        .map(|((pair, start), (sum, count, spread))| {
            // The mean of halves of cents, to six decimals.
            let mean = (sum * 5000 * 2 + count) / (2 * count);
            let (whole, fraction) = (mean / 1_000_000, mean % 1_000_000);
            let start = time(start);
            format!(
                "{pair},{start},{whole}.{fraction:06},{},{count}\n",
                money(spread)
            )
        });
    (rows.into_values().flatten().collect(), windows.collect())
}

const ROWS: &str = "SELECT pair, bid, ask, mid_price, spread, highest_bid, lowest_ask, max_spread, timestamp FROM crypto_metrics ORDER BY pair, id";
const WINDOWS: &str = "SELECT pair, window_start, round(avg_mid, 6), max_spread, count FROM crypto_metrics_1m ORDER BY pair, window_start";

/// Checks all rows and windows against messages, which are in the order of each pair.
pub(crate) async fn check(connection: &mut PgConnection, messages: &[String]) {
    let (rows, windows) = expected(messages);
    assert_eq!(csv(connection, ROWS).await, rows);
    assert_eq!(csv(connection, WINDOWS).await, windows);
}

/// Messages of three pairs in the order of their partitions, late ones and bad ones among them.
fn messages(random: &mut Random, count: usize) -> Vec<(i32, String)> {
    const PAIRS: [&str; 3] = ["BTC-USD", "ETH-USD", "LTC-USD"];
    (0..count)
        .map(|at| {
            let which = random.below(3);
            let pair = PAIRS[which];
            let bid = 3_000_000 + random.below(3_000_000) as i128;
            let ask = bid + 5_000 + random.below(10_000) as i128;
            let seconds = 1_780_000_000 + at + random.below(100);
            let (bid, ask) = (money(bid), money(ask));
            let message = match random.below(20) {
                0 => "{\"pair\": ".to_owned(),
                1 => format!(r#"{{"pair": "{pair}", "bid": {bid}, "timestamp": {seconds}}}"#),
                2 => format!(r#"{{"pair": "{pair}", "bid": "much", "ask": {ask}, "timestamp": {seconds}}}"#),
                3 => format!(r#"{{"pair": "{pair}-PERPETUAL", "bid": {bid}, "ask": {ask}, "timestamp": {seconds}}}"#),
                _ => format!(r#"{{"pair": "{pair}", "bid": {bid}, "ask": {ask}, "timestamp": {seconds}}}"#),
            };
            (i32::try_from(which).unwrap(), message)
        })
        .collect()
}

#[tokio::test]
async fn every_value_is_as_computed_from_the_messages() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    let (brokers, database) = (server.brokers().to_owned(), database().await);
    let exchange = TestExchange::at("2026-08-20T00:00:00Z");
    let coinbase = exchange.url("coinbase");
    let environment = [
        ("KAFKA_BROKERS", brokers.as_str()),
        ("CRYPTO_DATA_URL", database.url.as_str()),
        ("COINBASE_URL", coinbase.as_str()),
    ];
    let folder = project();
    let connection = crate::support::kafka::to(&brokers);
    let cluster = cluster(&connection);
    let mut postgres = database.options.connect().await.unwrap();
    let produce = ["trigger", "market_stream", "-p", "ticks=1"];
    runner(folder.path(), &produce, &environment);
    let mut random = Random::new(11);
    let mut all = values(&cluster, "crypto_prices").await;
    assert_eq!(all.len(), 3);
    // Each run goes on where the one before ended; the last one with two consumers.
    for (count, consumers) in [(0, "[1]"), (300, "[1]"), (300, "[1]"), (300, "[1, 2]")] {
        let sent = messages(&mut random, count);
        let new: Vec<(i32, &str)> = sent.iter().map(|(at, text)| (*at, text.as_str())).collect();
        send(&cluster, "crypto_prices", &new).await;
        all.extend(sent.into_iter().map(|(_, text)| text));
        let consumers = format!("consumers={consumers}");
        let consume = [
            "trigger",
            "crypto_metrics",
            "-p",
            "until=caught_up",
            "-p",
            &consumers,
        ];
        runner(folder.path(), &consume, &environment);
        check(&mut postgres, &all).await;
        let mut dead = values(&cluster, "crypto_prices_dead_letter").await;
        let bad = all.iter().filter(|text| Price::read(text).is_none());
        let mut bad: Vec<String> = bad.cloned().collect();
        dead.sort();
        bad.sort();
        assert_eq!(dead, bad);
    }
    drop(server);
}

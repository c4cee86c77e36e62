//! `monitoring_system`: the changes between two intervals, as messages, and which of them are anomalies.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::decimal::{number, quotient, rounded};
use super::runs::{project, runner};
use super::tickers::{Seen, by_market};
use crate::exchange::server::TestExchange;
use crate::support::kafka::{Broker, DEADLINE};
use crate::support::kafka::{blocking, cluster, to};
use crate::support::postgres::database;
use runner::connection::kafka::{ConsumerOptions, KafkaCluster, Partition, Polled, Start};

const TOPICS: [&str; 3] = [
    "tickers_agg_luxor",
    "tickers_agg_luxor_price_anomalies",
    "tickers_agg_luxor_volume_anomalies",
];

/// A message: its key, and its value with plain numbers.
type Message = (String, BTreeMap<String, String>);

/// What should be said of an interval, by topic.
fn expected(
    seen: &[Seen],
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    threshold: &str,
) -> [Vec<Message>; 3] {
    let before = start - (end - start);
    let within =
        |from, to| move |one: &Seen| (from..to).contains(&one.time).then(|| one.market.clone());
    let now = by_market(seen, within(start, end));
    let earlier = by_market(seen, within(before, start));
    let average = |seen: &[&Seen], of: fn(&Seen) -> &BigDecimal| {
        let sum: BigDecimal = seen.iter().map(|one| of(one)).sum();
        quotient(&sum, &BigDecimal::from(seen.len() as u64))
    };
    let threshold = number(threshold);
    let mut said = [Vec::new(), Vec::new(), Vec::new()];
    for (market, seen) in &now {
        let change = |of: fn(&Seen) -> &BigDecimal| {
            let current = average(seen, of);
            let previous = earlier.get(market).map(|seen| average(seen, of));
            let change = match previous {
                Some(previous) if previous != number("0") => {
                    quotient(&((&current - &previous) * 100), &previous)
                }
                _ => number("0"),
            };
            (current, change)
        };
        let (price, price_change) = change(|one| &one.price);
        let (volume, volume_change) = change(|one| &one.volume);
        let [base, target, name] = market;
        let plain = |value: &BigDecimal| number(&rounded(value, 8)).normalized().to_plain_string();
        let value = [
            ("base", base.clone()),
            ("target", target.clone()),
            ("market_name", name.clone()),
            ("avg_volume", plain(&volume)),
            ("avg_last_price", plain(&price)),
            ("percent_change_volume", plain(&volume_change)),
            ("percent_change_last_price", plain(&price_change)),
        ];
        let value: BTreeMap<String, String> = value
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let message = (format!("{base}|{target}|{name}"), value);
        said[0].push(message.clone());
        if price_change.abs() > threshold {
            said[1].push(message.clone());
        }
        if volume_change.abs() > threshold {
            said[2].push(message);
        }
    }
    said.each_mut().map(|messages| {
        messages.sort();
        messages.clone()
    })
}

/// All messages of a topic from an offset of each partition on, and where they end.
async fn messages(cluster: &KafkaCluster, topic: &str) -> Vec<Message> {
    let found = cluster.topic(topic).await.unwrap();
    assert_eq!(found.partitions.len(), 3, "{topic}");
    let options = ConsumerOptions {
        ends: true,
        ..ConsumerOptions::default()
    };
    let consumer = cluster.consumer(options).await.unwrap();
    let topic = topic.to_owned();
    blocking(move || {
        let starts: Vec<(Partition, Start)> = found
            .partitions
            .iter()
            .map(|number| (Partition::new(&topic, *number), Start::Earliest))
            .collect();
        consumer.assign(&starts).unwrap();
        let (mut messages, mut open) = (Vec::new(), starts.len());
        while open > 0 {
            match consumer.poll(DEADLINE).unwrap() {
                Polled::Message(message) => {
                    let text =
                        |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                    messages.push((text(message.key()), plain(&text(message.value()))));
                }
                Polled::End(_) => open -= 1,
                Polled::Nothing => panic!("nothing came of {topic}"),
            }
        }
        consumer.close();
        messages.sort();
        messages
    })
    .await
}

/// A JSON object with its numbers as plain as can be; texts stay apart from numbers.
fn plain(text: &str) -> BTreeMap<String, String> {
    let value: Value = serde_json::from_str(text).unwrap();
    let plain = |(key, value): (&String, &Value)| {
        let is_number = key.starts_with("avg_") || key.starts_with("percent_");
        assert_eq!(value.is_number(), is_number, "{key}: {value}");
        let value = match value {
            Value::String(text) => text.clone(),
            number_ => number(&number_.to_string()).normalized().to_plain_string(),
        };
        (key.clone(), value)
    };
    value.as_object().unwrap().iter().map(plain).collect()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test]
async fn changes_and_anomalies_are_said_of_each_interval() {
    let exchange = TestExchange::at("2026-08-20T12:00:00Z");
    let (database, folder, broker) = (database().await, project(), Broker::new());
    let kafka = broker.acquire().await;
    let url = exchange.url("coingecko");
    let environment = [
        ("TICKERS_DB_URL", database.url.as_str()),
        ("COINGECKO_URL", &url),
        ("COINGECKO_RATE", "1000/s"),
        ("KAFKA_BROKERS", kafka.brokers()),
    ];
    let words = [
        "trigger",
        "ingest_data",
        "-p",
        r#"coins=["bitcoin", "zcash"]"#,
    ];
    let mut seen = Vec::new();
    // Three intervals of five minutes; in the second one, what was seen twice is averaged. In the third
    // some markets are seen for the first time, others not any more.
    for (time, page) in [
        ("2026-08-20T12:02:00Z", "1"),
        ("2026-08-20T12:04:59Z", "1"),
        ("2026-08-20T12:05:00Z", "1"),
        ("2026-08-20T12:07:30Z", "2"),
        ("2026-08-20T12:12:30Z", "2"),
    ] {
        exchange.put("/clock", time);
        let pages = format!("pages={page}");
        let arguments: Vec<&str> = words.into_iter().chain(["-p", &pages]).collect();
        runner(folder.path(), &arguments, &environment);
        for coin in ["bitcoin", "zcash"] {
            for page in 1..=page.parse().unwrap() {
                let path = format!("/coingecko/api/v3/coins/{coin}/tickers?page={page}");
                let answer = exchange.json(&path);
                seen.extend(answer["tickers"].as_array().unwrap().iter().map(Seen::of));
            }
        }
    }
    let connection = to(kafka.brokers());
    let cluster = cluster(&connection);
    let mut all: [Vec<Message>; 3] = Default::default();
    // The second interval once more at the end: a re-run says the same.
    for (start, threshold) in [
        ("2026-08-20T12:00:00Z", "2"),
        ("2026-08-20T12:05:00Z", "0.05"),
        ("2026-08-20T12:10:00Z", "0.1"),
        ("2026-08-20T12:05:00Z", "0.05"),
    ] {
        let (start, end) = (time(start), time(start) + TimeDelta::minutes(5));
        let interval = format!("{}/{}", start.to_rfc3339(), end.to_rfc3339());
        let threshold_ = format!("threshold={threshold}");
        let arguments = [
            "trigger",
            "monitoring_system",
            "--data-interval",
            &interval,
            "-p",
            &threshold_,
        ];
        runner(folder.path(), &arguments, &environment);
        let said = expected(&seen, start, end, threshold);
        for ((topic, all), said) in TOPICS.iter().zip(&mut all).zip(said) {
            all.extend(said);
            all.sort();
            assert_eq!(messages(&cluster, topic).await, *all, "{topic} at {start}");
        }
    }
    let counts = all.each_ref().map(Vec::len);
    assert!(
        counts[0] > 4 * 180 && counts[1] > 20 && counts[2] > 20,
        "{counts:?}"
    );
    assert!(counts[1] < counts[0] && counts[2] < counts[0], "{counts:?}");
    drop(kafka);
}

#[tokio::test]
async fn an_average_of_nothing_is_no_change() {
    let (database, folder, broker) = (database().await, project(), Broker::new());
    let kafka = broker.acquire().await;
    let environment = [
        ("TICKERS_DB_URL", database.url.as_str()),
        ("KAFKA_BROKERS", kafka.brokers()),
    ];
    let table = ["trigger", "monitoring_system", "--only", "create_table"];
    runner(folder.path(), &table, &environment);
    let insert = "insert into luxor_data (base, target, market_name, last_price, volume, \"timestamp\") values \
        ('A', 'USD', 'zero before', 0, 0, '2026-08-20 12:01Z'), ('A', 'USD', 'zero before', 5, 7, '2026-08-20 12:06Z'), \
        ('B', 'USD', 'new', 5, 7, '2026-08-20 12:06Z'), \
        ('C', 'USD', 'down', 4, 10, '2026-08-20 12:01Z'), ('C', 'USD', 'down', 3, 10.2, '2026-08-20 12:06Z'), \
        ('D', 'USD', 'gone', 4, 10, '2026-08-20 12:01Z'), \
        ('E', 'USD', 'at the threshold', 100, 100, '2026-08-20 12:01Z'), ('E', 'USD', 'at the threshold', 102, 98, '2026-08-20 12:06Z') \
        returning 1";
    super::runs::rows(&database, insert).await;
    let arguments = [
        "trigger",
        "monitoring_system",
        "--data-interval",
        "2026-08-20T12:05:00Z/2026-08-20T12:10:00Z",
    ];
    runner(folder.path(), &arguments, &environment);
    let connection = to(kafka.brokers());
    let cluster = cluster(&connection);
    let mut found = Vec::new();
    for topic in TOPICS {
        let messages = messages(&cluster, topic).await;
        let told = messages.into_iter().map(|(key, value)| {
            format!(
                "{key} {} {}",
                value["percent_change_last_price"], value["percent_change_volume"]
            )
        });
        found.push(told.collect::<Vec<_>>());
    }
    assert_eq!(
        found,
        [
            vec![
                "A|USD|zero before 0 0",
                "B|USD|new 0 0",
                "C|USD|down -25 2",
                "E|USD|at the threshold 2 -2"
            ],
            vec!["C|USD|down -25 2"],
            vec![],
        ]
    );
    drop(kafka);
}

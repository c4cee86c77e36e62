//! `crypto_pair_metrics`: prices to the digit, and ranks with ties and single prices.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bigdecimal::{BigDecimal, Zero as _};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::decimal::number;
use super::fixed::{FixedServer, documented};
use super::runs::{project, rows, runner, runner_that_fails};
use crate::exchange::server::TestExchange;
use crate::support::postgres::{TestDatabase, database};

const DAG: &str = "crypto_pair_metrics";

/// What the tables call a pair, and what Kraken does; `waveseur` isn't traded there any more.
const PAIRS: [(&str, &str); 9] = [
    ("btceur", "XBTEUR"),
    ("btcusd", "XBTUSD"),
    ("etheur", "ETHEUR"),
    ("ltceur", "LTCEUR"),
    ("solusd", "SOLUSD"),
    ("xrpusd", "XRPUSD"),
    ("adaeur", "ADAEUR"),
    ("bateth", "BATETH"),
    ("dogeusd", "XDGUSD"),
];

const RAW: &str = "select timestamp, pair, price from raw_crypto_pair_price_history";

type Time = DateTime<Utc>;

fn time(text: &str) -> Time {
    // PostgreSQL leaves the minutes of an offset out.
    format!("{text}:00").parse().unwrap()
}

/// `latest_price`, `weekly_average`, `min_price`, `max_price` and `std_rank`.
type Metrics = ([BigDecimal; 4], u32);

/// The metrics of every pair at a time, from all prices.
fn metrics(raw: &[(Time, String, BigDecimal)], at: Time) -> BTreeMap<String, Metrics> {
    let mut weeks: BTreeMap<&str, Vec<(Time, &BigDecimal)>> = BTreeMap::new();
    for (time, pair, price) in raw {
        if *time > at - TimeDelta::days(7) && *time <= at {
            weeks.entry(pair).or_default().push((*time, price));
        }
    }
    // (n Σx² − (Σx)²) / (n (n − 1)): numerator and denominator, without any rounding.
    let variance = |week: &[(Time, &BigDecimal)]| {
        let day = week
            .iter()
            .filter(|(time, _)| *time > at - TimeDelta::days(1));
        let prices: Vec<&BigDecimal> = day.map(|(_, price)| *price).collect();
        let count = BigDecimal::from(prices.len() as u64);
        let sum: BigDecimal = prices.iter().copied().sum();
        let squares: BigDecimal = prices.iter().map(|price| *price * *price).sum();
        (prices.len() > 1).then(|| (&count * squares - &sum * &sum, &count * (&count - 1)))
    };
    let variances: BTreeMap<&str, Option<(BigDecimal, BigDecimal)>> = weeks
        .iter()
        .map(|(pair, week)| (*pair, variance(week)))
        .collect();
    let moves_more = |one: &Option<(BigDecimal, BigDecimal)>,
                      other: &Option<(BigDecimal, BigDecimal)>| {
        match (one, other) {
            (Some((a, b)), Some((c, d))) => (a * d).cmp(&(c * b)) == Ordering::Greater,
            (Some(_), None) => true,
            (None, _) => false,
        }
    };
    weeks
        .iter()
        .map(|(pair, week)| {
            let latest = week.iter().max_by_key(|(time, _)| *time).unwrap().1;
            let prices = || week.iter().map(|(_, price)| *price);
            let mean = prices().sum::<BigDecimal>() / BigDecimal::from(week.len() as u64);
            let before = variances
                .values()
                .filter(|other| moves_more(other, &variances[pair]));
            let rank = u32::try_from(before.count()).unwrap() + 1;
            let (low, high) = (prices().min().unwrap(), prices().max().unwrap());
            let values = [latest.clone(), mean, low.clone(), high.clone()];
            ((*pair).to_owned(), (values, rank))
        })
        .collect()
}

/// The prices, and the metrics of the last poll with its time.
async fn stored(
    database: &TestDatabase,
) -> (
    Vec<(Time, String, BigDecimal)>,
    BTreeMap<String, Metrics>,
    Time,
) {
    let text = |row: &[Option<String>], at: usize| row[at].clone().unwrap();
    let raw = rows(database, RAW).await;
    let raw = raw
        .iter()
        .map(|row| (time(&text(row, 0)), text(row, 1), number(&text(row, 2))))
        .collect();
    let query = "select timestamp, pair, latest_price, weekly_average, min_price, max_price, std_rank \
                 from crypto_pair_metrics where timestamp = (select max(timestamp) from crypto_pair_metrics)";
    let last = rows(database, query).await;
    let at = time(&text(&last[0], 0));
    let metrics = last.iter().map(|row| {
        let values = [2, 3, 4, 5].map(|column| number(&text(row, column)));
        (text(row, 1), (values, text(row, 6).parse().unwrap()))
    });
    (raw, metrics.collect(), at)
}

fn assert_metrics(found: &BTreeMap<String, Metrics>, expected: &BTreeMap<String, Metrics>) {
    let pairs = |metrics: &BTreeMap<String, Metrics>| metrics.keys().cloned().collect::<Vec<_>>();
    assert_eq!(pairs(found), pairs(expected));
    for (pair, (values, rank)) in found {
        let (exact, expected_rank) = &expected[pair];
        assert_eq!(rank, expected_rank, "std_rank of {pair}");
        for at in [0, 2, 3] {
            assert_eq!(values[at], exact[at], "{pair} {at}");
        }
        // A mean may have no end: PostgreSQL writes its first sixteen digits or more.
        let difference = (&values[1] - &exact[1]).abs();
        let most = exact[1].abs() * number("1e-15");
        assert!(difference <= most, "{pair}: {} {}", values[1], exact[1]);
    }
}

fn environment<'a>(database: &'a TestDatabase, url: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("PRICES_DB_URL", &database.url),
        ("KRAKEN_URL", url),
        ("KRAKEN_RATE", "1000/s"),
    ]
}

/// The repository's project without the seconds between two attempts.
fn hurried() -> tempfile::TempDir {
    let folder = project();
    let path = folder.path().join("pipelines/crypto_pair_metrics.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("delay: 3s"));
    std::fs::write(&path, text.replace("delay: 3s", "delay: 1ms")).unwrap();
    folder
}

/// An answer in the documented shape with another pair and price.
fn answer(name: &str, price: &str) -> String {
    let mut answer: Value = serde_json::from_str(&documented("kraken_ticker")).unwrap();
    let mut ticker = answer["result"]["XXBTZUSD"].take();
    ticker["c"][0] = json!(price);
    answer["result"] = json!({ name: ticker });
    answer.to_string()
}

#[tokio::test]
async fn nine_pairs_are_polled_and_the_tenth_is_reported() {
    let exchange = TestExchange::at("2026-08-20T12:34:56Z");
    let (database, folder) = (database().await, hurried());
    let url = exchange.url("kraken");
    let environment = environment(&database, &url);
    let output = runner(folder.path(), &["trigger", DAG], &environment);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Unknown asset pair"), "{said}");
    let (raw, found, at) = stored(&database).await;
    let mut polled: Vec<(String, BigDecimal)> = Vec::new();
    for (time, pair, price) in &raw {
        assert_eq!(*time, at, "one poll, one moment");
        polled.push((pair.clone(), price.clone()));
    }
    polled.sort();
    let mut expected: Vec<(String, BigDecimal)> = PAIRS
        .iter()
        .map(|(pair, name)| {
            let answer = exchange.json(&format!("/kraken/0/public/Ticker?pair={name}"));
            let result = answer["result"].as_object().unwrap();
            let ticker = result.values().next().unwrap();
            ((*pair).to_owned(), number(ticker["c"][0].as_str().unwrap()))
        })
        .collect();
    expected.sort();
    assert_eq!(polled, expected);
    // Of a single price there is no deviation: all share the first rank.
    assert_metrics(&found, &metrics(&raw, at));
    assert!(found.values().all(|(_, rank)| *rank == 1));
    // Polled again, each pair has another row, and a deviation.
    runner(folder.path(), &["trigger", DAG], &environment);
    let (raw, found, at) = stored(&database).await;
    assert_eq!((raw.len(), found.len()), (18, 9));
    assert_metrics(&found, &metrics(&raw, at));
    let count = "select count(*) from crypto_pair_metrics";
    assert_eq!(rows(&database, count).await, [[Some("18".to_owned())]]);
}

#[tokio::test]
async fn ranks_and_weeks_are_those_of_an_independent_computation() {
    let (database, folder) = (database().await, hurried());
    // Prices whose digits a float doesn't have; the deviations of two pairs are the same.
    let server = FixedServer::new(|target| {
        let (_, pair) = target.split_once("pair=").unwrap();
        match pair {
            "XBTEUR" => answer("XXBTZEUR", "26543.12345678901234567890"),
            "XBTUSD" => answer("XXBTZUSD", "30303.20000"),
            "ETHEUR" => answer("XETHZEUR", "1703.00"),
            "LTCEUR" => answer("XLTCZEUR", "1803.00"),
            "SOLUSD" => answer("SOLUSD", "0"),
            "XRPUSD" => answer("XXRPZUSD", "0.52000"),
            "BATETH" => answer("BATETH", "0.00012345"),
            "XDGUSD" => r#"{"error":["EGeneral:Internal error"]}"#.to_owned(),
            _ => r#"{"error":["EQuery:Unknown asset pair"]}"#.to_owned(),
        }
    });
    let url = server.url();
    let environment = environment(&database, &url);
    runner(
        folder.path(),
        &["trigger", DAG, "--only", "create_tables"],
        &environment,
    );
    let minute = |days: i64, minutes: i64| days * 1440 + minutes;
    let history: &[(&str, i64, &str)] = &[
        ("btceur", minute(0, 60), "26500.5"),
        ("btceur", minute(0, 120), "26000.00000000000000000001"),
        ("btceur", minute(3, 0), "20000"),
        // Just within a day and a week, and just not.
        ("btceur", minute(1, -5), "26999"),
        ("btceur", minute(1, 5), "1"),
        ("btceur", minute(7, -5), "31000"),
        ("btceur", minute(7, 5), "99999"),
        // The same deviation twice, on other levels.
        ("etheur", minute(0, 60), "1701.00"),
        ("etheur", minute(0, 120), "1700.00"),
        ("ltceur", minute(0, 60), "1801.00"),
        ("ltceur", minute(0, 120), "1800.00"),
        // No deviation is less than some, and more than none.
        ("solusd", minute(0, 60), "0"),
        ("solusd", minute(0, 120), "0"),
        // One price of the last day, others before it.
        ("bateth", minute(2, 0), "0.00022345"),
        ("bateth", minute(3, 0), "0.00032345"),
        // Not polled this time.
        ("dogeusd", minute(0, 60), "0.0712345"),
        ("dogeusd", minute(0, 120), "0.0712346"),
        ("adaeur", minute(6, 0), "0.25"),
        // Out of every window.
        ("waveseur", minute(8, 0), "1.5"),
    ];
    let values: Vec<String> = history
        .iter()
        .map(|(pair, minutes, price)| {
            format!("(now() - interval '{minutes} minutes', '{pair}', {price})")
        })
        .collect();
    let insert = format!(
        "with added as (insert into raw_crypto_pair_price_history values {} returning 1) select count(*) from added",
        values.join(", ")
    );
    execute(&database, &insert).await;
    runner(folder.path(), &["trigger", DAG], &environment);
    let (raw, found, at) = stored(&database).await;
    let expected = metrics(&raw, at);
    assert_metrics(&found, &expected);
    // The same, spelled out.
    let ranks: BTreeMap<&str, u32> = found
        .iter()
        .map(|(pair, (_, rank))| (pair.as_str(), *rank))
        .collect();
    let spelled = [
        ("btceur", 1),
        ("etheur", 2),
        ("ltceur", 2),
        ("dogeusd", 4),
        ("solusd", 5),
        // Fewer than two prices: last, and together.
        ("adaeur", 6),
        ("bateth", 6),
        ("btcusd", 6),
        ("xrpusd", 6),
    ];
    assert_eq!(ranks, spelled.into_iter().collect());
    let (btceur, _) = &found["btceur"];
    assert_eq!(btceur[0], number("26543.12345678901234567890"));
    assert_eq!((&btceur[2], &btceur[3]), (&number("1"), &number("31000")));
    assert!(!found["solusd"].0.iter().any(|value| !value.is_zero()));

    // A person's question.
    let question = "select pair, min_price, std_rank from crypto_pair_metrics where pair = 'btceur' order by timestamp desc limit 1";
    let answered = rows(&database, question).await;
    let words: Vec<&str> = answered[0]
        .iter()
        .map(|word| word.as_deref().unwrap())
        .collect();
    assert_eq!(words, ["btceur", "1", "1"]);
    let asked = server.asked();
    assert!(
        asked.contains(&"/0/public/Ticker?pair=WAVESEUR".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn no_price_at_all_fails_the_run() {
    let (database, folder) = (database().await, hurried());
    let server = FixedServer::new(|_| r#"{"error":["EService:Unavailable"]}"#.to_owned());
    let url = server.url();
    let said = runner_that_fails(
        folder.path(),
        &["trigger", DAG],
        &environment(&database, &url),
    );
    assert!(said.contains("1 of 1 rule is broken"), "{said}");
    let count = "select count(*) from crypto_pair_metrics";
    assert_eq!(rows(&database, count).await, [[Some("0".to_owned())]]);
}

async fn execute(database: &TestDatabase, statement: &str) {
    use sqlx::ConnectOptions as _;
    let mut connection = database.options.connect().await.unwrap();
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
    statement.execute(&mut connection).await.unwrap();
}

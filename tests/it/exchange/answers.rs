//! What the APIs answer, compared with what their documentation shows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::server::TestExchange;

const TIME: &str = "2026-08-20T12:34:56.789Z";

/// The answers of the documentation, written down by hand.
fn documented(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/pipelines/answers");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Every path of a value with the kind of what is there; the items of a list are one place.
fn shape(value: &Value, path: &str, into: &mut BTreeSet<(String, &'static str)>) {
    let kind = match value {
        Value::Null => return,
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            for item in items {
                shape(item, &format!("{path}[]"), into);
            }
            "list"
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                // Only with `depth=true`.
                if key.starts_with("cost_to_move") {
                    continue;
                }
                shape(value, &format!("{path}.{key}"), into);
            }
            "object"
        }
    };
    into.insert((path.to_owned(), kind));
}

/// All that the documentation shows is there, and of the same kind. What is there besides is the real
/// API's own business.
fn check(exchange: &TestExchange, path: &str, name: &str) {
    let (mut expected, mut found) = (BTreeSet::new(), BTreeSet::new());
    shape(&documented(name), "", &mut expected);
    shape(&exchange.json(path), "", &mut found);
    // A null in the documentation says nothing of what else may be there.
    let missing: Vec<_> = expected
        .difference(&found)
        .filter(|(path, _)| !path.ends_with("token_info_url"))
        .collect();
    assert!(missing.is_empty(), "{path}: {missing:?}\nin {found:#?}");
}

#[test]
fn answers_have_the_shape_that_the_documentation_shows() {
    let exchange = TestExchange::at(TIME);
    for (path, name) in [
        (
            "/coingecko/api/v3/coins/bitcoin/tickers",
            "coingecko_tickers",
        ),
        (
            "/coingecko/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=7",
            "coingecko_market_chart",
        ),
        ("/kraken/0/public/Ticker?pair=XBTUSD", "kraken_ticker"),
        ("/bitso/api/v3/ticker/?book=btc_mxn", "bitso_ticker"),
        ("/coinbase/products/BTC-USD/ticker", "coinbase_ticker"),
    ] {
        check(&exchange, path, name);
    }
}

#[test]
fn mistakes_are_answered_as_by_the_real_ones() {
    let exchange = TestExchange::at(TIME);
    for (path, status, body) in [
        (
            "/coingecko/api/v3/coins/nocoin/tickers",
            404,
            r#"{"error":"coin not found"}"#,
        ),
        (
            "/coingecko/api/v3/coins/bitcoin/market_chart?days=7",
            422,
            r#"{"error":"Missing parameter vs_currency"}"#,
        ),
        (
            "/kraken/0/public/Ticker?pair=WAVESEUR",
            200,
            r#"{"error":["EQuery:Unknown asset pair"]}"#,
        ),
        (
            "/bitso/api/v3/ticker/?book=btc_xyz",
            400,
            r#"{"success":false,"error":{"code":"0301","message":"Unknown OrderBook btc_xyz"}}"#,
        ),
        (
            "/coinbase/products/XYZ-USD/ticker",
            404,
            r#"{"message":"NotFound"}"#,
        ),
    ] {
        let answer = exchange.get(path);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{path}"
        );
    }
}

#[test]
fn tickers_come_in_pages_of_a_hundred() {
    let exchange = TestExchange::at(TIME);
    let page = |number: u32| {
        let path = format!("/coingecko/api/v3/coins/bitcoin/tickers?page={number}");
        exchange.json(&path)["tickers"].as_array().unwrap().clone()
    };
    let pages: Vec<Vec<Value>> = (1..=4).map(page).collect();
    let counts: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(counts, [100, 100, 53, 0]);
    let places: BTreeSet<String> = pages
        .iter()
        .flatten()
        .map(|ticker| {
            format!(
                "{} {} {}",
                ticker["base"], ticker["target"], ticker["market"]
            )
        })
        .collect();
    assert_eq!(places.len(), 253, "no market comes twice");
    let first = exchange.get("/coingecko/api/v3/coins/bitcoin/tickers");
    assert_eq!(first.header("total"), Some("253"));
    assert!(
        first
            .header("link")
            .unwrap()
            .contains("page=2>; rel=\"next\"")
    );
}

#[test]
fn a_week_has_169_points_on_the_hour_but_for_the_last() {
    let exchange = TestExchange::at(TIME);
    let chart = exchange.json("/coingecko/coins/bitcoin/market_chart?vs_currency=usd&days=7");
    for list in ["prices", "market_caps", "total_volumes"] {
        let times: Vec<u64> = chart[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point[0].as_u64().unwrap())
            .collect();
        assert_eq!(times.len(), 169, "{list}");
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        let (last, hours) = times.split_last().unwrap();
        assert!(hours.iter().all(|time| time % 3_600_000 == 0));
        // 2026-08-20T12:34:56.789Z
        assert_eq!(*last, 1_787_229_296_789);
        assert_eq!(hours[0], 1_786_626_000_000);
    }
}

#[test]
fn the_simulated_bid_and_ask_stay_in_their_bounds() {
    let exchange = TestExchange::at(TIME);
    let cents = |value: &Value| {
        let text = value.as_str().unwrap();
        assert_eq!(text.split_once('.').unwrap().1.len(), 2, "{text}");
        text.replace('.', "").parse::<u64>().unwrap()
    };
    let mut bids = BTreeSet::new();
    for month in 1..=12 {
        for product in ["BTC-USD", "ETH-USD", "LTC-USD"] {
            exchange.put("/clock", &format!("2026-{month:02}-11T10:09:08Z"));
            let ticker = exchange.json(&format!("/coinbase/products/{product}/ticker"));
            let (bid, ask) = (cents(&ticker["bid"]), cents(&ticker["ask"]));
            assert!((3_000_000..=6_000_000).contains(&bid), "{ticker}");
            assert!((bid + 5_000..=bid + 15_000).contains(&ask), "{ticker}");
            bids.insert(bid);
        }
    }
    assert_eq!(bids.len(), 36, "they move, each on its own");
}

#[test]
fn the_same_seed_and_time_give_the_same_and_others_don_t() {
    let path = "/bitso/api/v3/ticker/?book=btc_mxn";
    let first = TestExchange::at(TIME).get(path).body;
    let again = TestExchange::at(TIME);
    assert_eq!(again.get(path).body, first);
    again.put("/clock", "2026-08-20T12:35:56Z");
    assert_ne!(again.get(path).body, first);
    let other = TestExchange::start(&["--clock", TIME, "--seed", "2"]);
    assert_ne!(other.get(path).body, first);
}

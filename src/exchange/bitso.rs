//! Bitso: the public `ticker` of its API, version 3. Every field is a text.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::Api;
use super::decimal::Decimal;
use super::reply::{Asked, Reply};

pub(super) const API: Api = Api {
    name: "bitso",
    variable: "BITSO_URL",
    root: "/api/v3",
    limit: (60, 60),
    throttled,
    answer,
};

/// A book, what it is of, and the digits of its price.
type Book = (&'static str, &'static str, &'static str, u32);

const BOOKS: &[Book] = &[
    ("btc_mxn", "BTC", "MXN", 0),
    ("usd_mxn", "USD", "MXN", 2),
    ("eth_mxn", "ETH", "MXN", 2),
    ("xrp_mxn", "XRP", "MXN", 2),
    ("ltc_mxn", "LTC", "MXN", 2),
    ("eth_btc", "ETH", "BTC", 8),
];

fn throttled(retry_after: Option<u64>) -> Reply {
    mistake(420, "0801", "Exceeded the limit of requests").retry_after(retry_after)
}

fn mistake(status: u16, code: &str, message: &str) -> Reply {
    let error = json!({ "code": code, "message": message });
    Reply::json(status, &json!({ "success": false, "error": error }))
}

fn answer(asked: &Asked<'_>) -> Reply {
    if asked.path.trim_end_matches('/') != "/ticker" {
        return mistake(404, "0101", "Incomplete Request. The path doesn't exist");
    }
    let payload = match asked.query("book") {
        Some(name) => {
            let book = BOOKS.iter().find(|book| book.0 == name);
            let Some(ticker) = book.and_then(|book| ticker(book, asked)) else {
                return mistake(400, "0301", &format!("Unknown OrderBook {name}"));
            };
            ticker
        }
        None => BOOKS
            .iter()
            .filter_map(|book| ticker(book, asked))
            .collect(),
    };
    Reply::json(200, &json!({ "success": true, "payload": payload }))
}

fn ticker((book, base, target, digits): &Book, asked: &Asked<'_>) -> Option<Value> {
    let (market, now) = (asked.market, asked.second());
    let price = |second| Some(market.price(base, target, second)?.to_scale(*digits));
    let last = price(now)?;
    // Wider and narrower from second to second: 0.02 % to 0.3 %, now and then more than 1 %.
    let drawn = market.chance(book, now);
    let share = match drawn.unsigned_abs() % 97 {
        0 => Decimal::new(7, 3),
        _ => Decimal::new(16, 4)
            .moved(drawn * 8 / 10)
            .over(Decimal::whole(2), 12),
    };
    let tick = Decimal::new(1, *digits);
    let half = last.times(share).to_scale(*digits);
    let half = if half.units() == 0 { tick } else { half };
    let points = (now - 86_400..now).step_by(300).chain([now]);
    let prices = points.map(price).collect::<Option<Vec<_>>>()?;
    let low = prices.iter().min_by_key(|price| price.units())?;
    let high = prices.iter().max_by_key(|price| price.units())?;
    let sum = prices.iter().copied().reduce(Decimal::plus)?;
    let count = Decimal::whole(i128::try_from(prices.len()).ok()?);
    let opened = *prices.first()?;
    let minus = |one: Decimal, other: Decimal| one.plus(other.times(Decimal::whole(-1)));
    let volume = Decimal::new(2_231_349_615, 8).moved(market.chance(book, now / 60) / 3);
    let change = minus(last, opened);
    Some(json!({
        "high": high.text(),
        "last": last.text(),
        "created_at": asked.now.to_rfc3339_opts(SecondsFormat::Secs, false),
        "book": book,
        "volume": volume.text(),
        "vwap": sum.over(count, 10).text(),
        "low": low.text(),
        "ask": last.plus(half).text(),
        "bid": minus(last, half).text(),
        "change_24": change.text(),
        "rolling_average_change": { "6": change.times(Decimal::whole(25)).over(opened, 4).text() },
    }))
}

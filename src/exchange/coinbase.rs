//! Coinbase Exchange: the ticker of a product. Its prices are those of a simulation: a bid between
//! 30,000 and 60,000 for every product, an ask 50 to 150 above it.

use chrono::SecondsFormat;
use serde_json::json;

use super::Api;
use super::decimal::{BILLION, Decimal};
use super::market::coin_of;
use super::reply::{Asked, Reply};
use super::walk::Walk;

pub(super) const API: Api = Api {
    name: "coinbase",
    variable: "COINBASE_URL",
    root: "",
    limit: (10, 1),
    throttled,
    answer,
};

/// The bid walks around this, in cents, as far as `REACH` to either side.
const MIDDLE: i128 = 4_500_000;
const REACH: i128 = 1_500_000;
/// How far it goes in a second, in billionths.
const PACE: i128 = 170_000;

fn throttled(retry_after: Option<u64>) -> Reply {
    mistake(429, "Public rate limit exceeded").retry_after(retry_after)
}

fn mistake(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message }))
}

fn answer(asked: &Asked<'_>) -> Reply {
    let product = asked
        .path
        .strip_prefix("/products/")
        .and_then(|rest| rest.strip_suffix("/ticker"));
    let Some(product) = product else {
        return mistake(404, "NotFound");
    };
    let known = product.strip_suffix("-USD").and_then(coin_of);
    if known.is_none() {
        return mistake(404, "NotFound");
    }
    let (market, now) = (asked.market, asked.second());
    let name = format!("coinbase {product}");
    let walked = MIDDLE * Walk::new(market.seed, &name, PACE).at(now) / BILLION;
    let bid = Decimal::new(MIDDLE + folded(walked), 2);
    let between = Decimal::new(10_000 + market.chance(&name, now) * 5_000 / BILLION, 2);
    let ask = bid.plus(between);
    let drawn = market.chance(&name, now + 1);
    let price = bid.plus(between.over(Decimal::whole(2), 2));
    let size = Decimal::new(drawn.abs() / 10 + 1, 8);
    let volume = Decimal::new(1_234_567_890_123, 8).moved(drawn / 5);
    let body = json!({
        "ask": ask.text(),
        "bid": bid.text(),
        "volume": volume.text(),
        "trade_id": now - 1_000_000_000,
        "price": price.text(),
        "size": size.text(),
        "time": asked.now.to_rfc3339_opts(SecondsFormat::Micros, true),
    });
    Reply::json(200, &body)
}

/// The same, but turned back at `REACH` to either side.
fn folded(walked: i128) -> i128 {
    let around = (walked + REACH).rem_euclid(4 * REACH);
    if around > 2 * REACH {
        3 * REACH - around
    } else {
        around - REACH
    }
}

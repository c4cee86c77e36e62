//! The tables of the ticker warehouse as they should be, computed from the answers by hand.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::decimal::{number, rounded};

/// The columns of `luxor_data` that come from the answers, with what PostgreSQL is asked for.
pub(super) const LUXOR_DATA: &str = "\
    select base, target, market_name, market_identifier, has_trading_incentive, last_price, volume, \
    converted_last_btc, converted_last_eth, converted_last_usd, converted_last_usd_v2, \
    converted_volume_btc, converted_volume_eth, converted_volume_usd, converted_volume_usd_v2, \
    trust_score, bid_ask_spread_percentage, \"timestamp\", last_traded_at, last_fetch_at, is_anomaly, \
    is_stale, trade_url, coin_id, target_coin_id from luxor_data order by id";

/// One row of [`LUXOR_DATA`] as text; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// The row that a ticker becomes.
pub(super) fn row(ticker: &Value) -> Row {
    let at = |pointer: &str| ticker.pointer(pointer).filter(|value| !value.is_null());
    let text = |pointer| at(pointer).map(|value| value.as_str().unwrap().to_owned());
    let flag = |pointer| {
        at(pointer).map(|value| if value.as_bool().unwrap() { "t" } else { "f" }.to_owned())
    };
    let decimal =
        |pointer, scale| at(pointer).map(|value| rounded(&number(&value.to_string()), scale));
    let time = |pointer| text(pointer).map(|text| postgres_time(&text));
    vec![
        text("/base"),
        text("/target"),
        text("/market/name"),
        text("/market/identifier"),
        flag("/market/has_trading_incentive"),
        decimal("/last", 8),
        decimal("/volume", 8),
        decimal("/converted_last/btc", 8),
        decimal("/converted_last/eth", 8),
        decimal("/converted_last/usd", 8),
        None,
        decimal("/converted_volume/btc", 8),
        decimal("/converted_volume/eth", 8),
        decimal("/converted_volume/usd", 8),
        None,
        text("/trust_score"),
        decimal("/bid_ask_spread_percentage", 6),
        time("/timestamp"),
        time("/last_traded_at"),
        time("/last_fetch_at"),
        flag("/is_anomaly"),
        flag("/is_stale"),
        text("/trade_url"),
        text("/coin_id"),
        text("/target_coin_id"),
    ]
}

/// As PostgreSQL writes a time when its zone is UTC: `2024-04-08 04:02:01+00`.
fn postgres_time(text: &str) -> String {
    let time = text.parse::<DateTime<Utc>>().unwrap();
    time.format("%Y-%m-%d %H:%M:%S+00").to_string()
}

/// What the views are computed from.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// base, target, market name.
    pub(super) market: [String; 3],
    pub(super) time: DateTime<Utc>,
    /// To eight digits, as they are kept.
    pub(super) price: BigDecimal,
    pub(super) volume: BigDecimal,
}

impl Seen {
    pub(super) fn of(ticker: &Value) -> Self {
        let text = |pointer: &str| {
            ticker
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        let kept = |pointer: &str| {
            number(&rounded(
                &number(&ticker.pointer(pointer).unwrap().to_string()),
                8,
            ))
        };
        Self {
            market: [text("/base"), text("/target"), text("/market/name")],
            time: text("/timestamp").parse().unwrap(),
            price: kept("/last"),
            volume: kept("/volume"),
        }
    }
}

/// What has been seen of each market, in the order in which it was seen.
pub(super) fn by_market<K: Ord>(
    seen: &[Seen],
    key: impl Fn(&Seen) -> Option<K>,
) -> BTreeMap<K, Vec<&Seen>> {
    let mut groups: BTreeMap<K, Vec<&Seen>> = BTreeMap::new();
    for one in seen {
        if let Some(key) = key(one) {
            groups.entry(key).or_default().push(one);
        }
    }
    groups
}

//! CoinGecko: `/coins/{id}/tickers` and `/coins/{id}/market_chart` of its API, version 3.

use serde_json::{Value, json};

use super::Api;
use super::decimal::Decimal;
use super::market::{Coin, coin, coin_of};
use super::reply::{Asked, Reply, offset_time};

pub(super) const API: Api = Api {
    name: "coingecko",
    variable: "COINGECKO_URL",
    root: "/api/v3",
    // As with a demo key.
    limit: (30, 60),
    throttled,
    answer,
};

/// Tickers on a page.
const PAGE: usize = 100;

/// Markets as CoinGecko names them: id, name.
const MARKETS: &[(&str, &str)] = &[
    ("binance", "Binance"),
    ("gdax", "Coinbase Exchange"),
    ("kraken", "Kraken"),
    ("okex", "OKX"),
    ("bybit_spot", "Bybit"),
    ("bitstamp", "Bitstamp"),
    ("bitso", "Bitso"),
    ("kucoin", "KuCoin"),
    ("gate", "Gate"),
    ("huobi", "HTX"),
    ("bitfinex", "Bitfinex"),
    ("gemini", "Gemini"),
    ("bitget", "Bitget"),
    ("mxc", "MEXC"),
    ("crypto_com", "Crypto.com Exchange"),
    ("upbit", "Upbit"),
    ("bithumb", "Bithumb"),
    ("lbank", "LBank"),
    ("poloniex", "Poloniex"),
    ("whitebit", "WhiteBIT"),
    ("exmo", "EXMO"),
    ("cex", "CEX.IO"),
    ("p2pb2b", "P2B"),
    ("uniswap_v3", "Uniswap V3 (Ethereum)"),
];

/// What coins are sold for; the coin itself is left out.
const TARGETS: &[&str] = &[
    "USDT", "USD", "EUR", "USDC", "BTC", "GBP", "FDUSD", "TRY", "BRL", "MXN", "ETH", "DAI",
];

fn throttled(retry_after: Option<u64>) -> Reply {
    let body = json!({ "status": {
        "error_code": 429,
        "error_message": "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for higher rate limits.",
    } });
    Reply::json(429, &body).retry_after(retry_after)
}

fn answer(asked: &Asked<'_>) -> Reply {
    let mut parts = asked.path.trim_matches('/').split('/');
    let (Some("coins"), Some(id), Some(what), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Reply::json(
            404,
            &json!({ "error": "Incorrect path. Please check https://www.coingecko.com/api/" }),
        );
    };
    let Some(coin) = coin(id) else {
        return Reply::json(404, &json!({ "error": "coin not found" }));
    };
    match what {
        "tickers" => tickers(coin, asked),
        "market_chart" => market_chart(coin, asked),
        _ => Reply::json(
            404,
            &json!({ "error": "Incorrect path. Please check https://www.coingecko.com/api/" }),
        ),
    }
}

fn tickers(coin: &Coin, asked: &Asked<'_>) -> Reply {
    let page = asked.query("page").map_or(Ok(1), str::parse::<usize>);
    let Some(page) = page.ok().filter(|page| *page > 0) else {
        return Reply::json(422, &json!({ "error": "Invalid page" }));
    };
    let traded = TARGETS
        .iter()
        .filter(|target| **target != coin.symbol)
        .flat_map(|target| MARKETS.iter().map(move |market| (*market, *target)))
        .take(coin.markets);
    let first = (page - 1).saturating_mul(PAGE);
    let shown: Vec<Value> = traded
        .skip(first)
        .take(PAGE)
        .filter_map(|(market, target)| ticker(coin, market, target, asked))
        .collect();
    let pages = coin.markets.div_ceil(PAGE);
    let mut reply = Reply::json(200, &json!({ "name": coin.name, "tickers": shown }))
        .with("per-page", &PAGE)
        .with("total", &coin.markets);
    if page < pages {
        let to = |page| {
            format!(
                "https://api.coingecko.com/api/v3/coins/{}/tickers?page={page}",
                coin.id
            )
        };
        let link = format!(
            "<{}>; rel=\"last\", <{}>; rel=\"next\"",
            to(pages),
            to(page + 1)
        );
        reply = reply.with("link", &link);
    }
    reply
}

/// What one market says of a coin.
fn ticker(
    coin: &Coin,
    (identifier, name): (&str, &str),
    target: &str,
    asked: &Asked<'_>,
) -> Option<Value> {
    let market = asked.market;
    let place = format!("{} {target} {identifier}", coin.id);
    // Each market is looked at once a minute, at its own second; one in fifty has fallen asleep.
    let lot = market.chance(&place, 0).unsigned_abs();
    let is_stale = lot % 50 == 7;
    let phase = i64::try_from(lot % 60).unwrap_or_default();
    let now = asked.second();
    let minute = if is_stale { 28_800 } else { 60 };
    let fetched = now - (now - phase).rem_euclid(60);
    let traded = now - (now - phase).rem_euclid(minute);

    let off = market.chance(&place, traded) / 800;
    let price = |target: &str| Some(market.price(coin.symbol, target, traded)?.moved(off));
    // A decentral market divides two balances: more digits than a float has.
    let digits = if identifier == "uniswap_v3" { 21 } else { 7 };
    let volume = Decimal::new(i128::try_from(lot % 90_000_000_000).ok()? + 1_000_000, 9)
        .times(Decimal::whole(1_000))
        .over(market.dollars(coin.symbol, traded)?, 8)
        .times(Decimal::whole(10_000))
        .moved(market.chance(&place, traded / 60) / 20)
        .to_digits(12, 8);
    let last = price(target)?.to_digits(digits, 18);
    let converted = |to: &str| price(to).map(|price| price.to_digits(8, 12));
    let volume_in = |to: &str| converted(to).map(|price| price.times(volume).to_digits(9, 6));
    let spread = Decimal::new(i128::try_from(lot % 500_000).ok()? + 10_000, 6);
    let trust_score = match lot % 10 {
        0 => Value::Null,
        1 | 2 => json!("yellow"),
        _ => json!("green"),
    };
    let mut ticker = json!({
        "base": coin.symbol,
        "target": target,
        "market": {
            "name": name,
            "identifier": identifier,
            "has_trading_incentive": lot % 40 == 3,
        },
        "last": last.number(),
        "volume": volume.number(),
        "converted_last": {
            "btc": converted("BTC")?.number(),
            "eth": converted("ETH")?.number(),
            "usd": converted("USD")?.number(),
        },
        "converted_volume": {
            "btc": volume_in("BTC")?.number(),
            "eth": volume_in("ETH")?.number(),
            "usd": volume_in("USD")?.number(),
        },
        "trust_score": trust_score,
        "bid_ask_spread_percentage": spread.number(),
        "timestamp": offset_time(traded),
        "last_traded_at": offset_time(traded),
        "last_fetch_at": offset_time(fetched),
        "is_anomaly": lot % 60 == 11,
        "is_stale": is_stale,
        "trade_url": format!("https://{identifier}.example/trade/{}_{target}", coin.symbol),
        "token_info_url": null,
        "coin_id": coin.id,
    });
    // A currency that is no coin has no id.
    if let (Some(object), Some(id)) = (ticker.as_object_mut(), coin_id(target)) {
        object.insert("target_coin_id".to_owned(), json!(id));
    }
    Some(ticker)
}

fn coin_id(symbol: &str) -> Option<&'static str> {
    match symbol {
        "USDT" => Some("tether"),
        "USDC" => Some("usd-coin"),
        "DAI" => Some("dai"),
        "FDUSD" => Some("first-digital-usd"),
        _ => coin_of(symbol).map(|coin| coin.id),
    }
}

/// Prices of the last days: every five minutes of one day, every hour of up to 90, else every day;
/// the last point is now.
fn market_chart(coin: &Coin, asked: &Asked<'_>) -> Reply {
    let Some(currency) = asked.query("vs_currency") else {
        return Reply::json(422, &json!({ "error": "Missing parameter vs_currency" }));
    };
    let currency = currency.to_uppercase();
    let days = asked
        .query("days")
        .and_then(|days| days.parse::<i64>().ok());
    let Some(days) = days.filter(|days| (1..=365).contains(days)) else {
        return Reply::json(422, &json!({ "error": "Invalid days parameter" }));
    };
    let every = match days {
        1 => 300,
        2..=90 => 3_600,
        _ => 86_400,
    };
    let now = asked.second();
    let first = now - days * 86_400;
    // The first point of the grid that is later than the same moment days ago.
    let first = first - first.rem_euclid(every) + every;
    let on_grid = (first..now).step_by(usize::try_from(every).unwrap_or(1));
    let points = on_grid
        .map(|second| (second, second * 1000))
        .chain([(now, asked.now.timestamp_millis())]);
    let (mut prices, mut caps, mut volumes) = (Vec::new(), Vec::new(), Vec::new());
    for (second, millis) in points {
        let Some(price) = asked.market.price(coin.symbol, &currency, second) else {
            return Reply::json(422, &json!({ "error": "invalid vs_currency" }));
        };
        // As many digits as a float has, as the real one writes them.
        let price = price.to_digits(16, 14);
        let cap = price.times(Decimal::whole(coin.supply)).to_digits(17, 4);
        let traded = cap
            .over(Decimal::whole(30), 6)
            .moved(asked.market.chance(coin.id, second) / 4)
            .to_digits(16, 4);
        prices.push(json!([millis, price.number()]));
        caps.push(json!([millis, cap.number()]));
        volumes.push(json!([millis, traded.number()]));
    }
    let body = json!({ "prices": prices, "market_caps": caps, "total_volumes": volumes });
    Reply::json(200, &body)
}

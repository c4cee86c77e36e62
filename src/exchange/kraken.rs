//! Kraken: the public `Ticker`. Its mistakes are answers with status 200 and a non-empty `error`.

use serde_json::{Map, Value, json};

use super::Api;
use super::decimal::Decimal;
use super::reply::{Asked, Reply};

pub(super) const API: Api = Api {
    name: "kraken",
    variable: "KRAKEN_URL",
    root: "/0/public",
    limit: (15, 15),
    throttled,
    answer,
};

/// A pair as it is asked for, as it is answered, what it is of, and the digits of its price.
type Pair = (&'static str, &'static str, &'static str, &'static str, u32);

/// The pairs that are listed. WAVESEUR isn't any more.
const PAIRS: &[Pair] = &[
    ("XBTEUR", "XXBTZEUR", "BTC", "EUR", 1),
    ("XBTUSD", "XXBTZUSD", "BTC", "USD", 1),
    ("ETHEUR", "XETHZEUR", "ETH", "EUR", 2),
    ("LTCEUR", "XLTCZEUR", "LTC", "EUR", 2),
    ("SOLUSD", "SOLUSD", "SOL", "USD", 2),
    ("XRPUSD", "XXRPZUSD", "XRP", "USD", 5),
    ("ADAEUR", "ADAEUR", "ADA", "EUR", 6),
    ("BATETH", "BATETH", "BAT", "ETH", 8),
    ("XDGUSD", "XDGUSD", "DOGE", "USD", 7),
];

fn throttled(retry_after: Option<u64>) -> Reply {
    mistake("EGeneral:Too many requests").retry_after(retry_after)
}

fn mistake(text: &str) -> Reply {
    Reply::json(200, &json!({ "error": [text] }))
}

fn answer(asked: &Asked<'_>) -> Reply {
    if asked.path != "/Ticker" {
        return mistake("EGeneral:Unknown method");
    }
    let mut result = Map::new();
    let wanted = asked.query("pair").map(str::to_uppercase);
    match &wanted {
        Some(names) => {
            for name in names.split(',') {
                let pair = PAIRS.iter().find(|pair| pair.0 == name || pair.1 == name);
                let Some((key, ticker)) = pair.and_then(|pair| ticker(pair, asked)) else {
                    return mistake("EQuery:Unknown asset pair");
                };
                result.insert(key, ticker);
            }
        }
        None => result.extend(PAIRS.iter().filter_map(|pair| ticker(pair, asked))),
    }
    Reply::json(200, &json!({ "error": [], "result": result }))
}

fn ticker((_, key, base, target, digits): &Pair, asked: &Asked<'_>) -> Option<(String, Value)> {
    let (market, now) = (asked.market, asked.second());
    let price = |second| {
        let price = market.price(base, target, second)?.to_scale(*digits);
        // Kraken writes five digits or more, whichever of them the pair uses.
        Some(price.to_scale(5.max(*digits)))
    };
    let last = price(now)?;
    let tick = Decimal::new(1, *digits);
    let name = format!("kraken {key}");
    let lot = |salt: i64| {
        let drawn = market.chance(&name, now + salt).unsigned_abs();
        i128::try_from(drawn).map(|drawn| Decimal::new(drawn, 8))
    };
    let midnight = now - now.rem_euclid(86_400);
    let since = |start: i64| -> Option<(Decimal, Decimal, Decimal)> {
        let points = (start..now).step_by(300).chain([now]);
        let prices = points.map(price).collect::<Option<Vec<_>>>()?;
        let low = prices.iter().min_by_key(|price| price.units())?;
        let high = prices.iter().max_by_key(|price| price.units())?;
        let sum = prices.iter().copied().reduce(Decimal::plus)?;
        let count = i128::try_from(prices.len()).ok()?;
        let mean = sum.over(Decimal::whole(count), 5.max(*digits));
        Some((*low, *high, mean))
    };
    let (low, high, mean) = since(midnight)?;
    let (low_24, high_24, mean_24) = since(now - 86_400)?;
    let trades = (now - midnight) / 3;
    let volume = |seconds: i64| {
        let per_day = Decimal::new(1_234_567_890_123, 9).moved(market.chance(&name, 1) / 2);
        per_day
            .times(Decimal::new(i128::from(seconds), 0))
            .over(Decimal::whole(86_400), 8)
    };
    let wide = Decimal::new(-1, *digits);
    let whole = lot(2)
        .ok()?
        .times(Decimal::whole(10))
        .to_scale(0)
        .plus(Decimal::whole(1));
    let quote = |price: Decimal| json!([price.text(), whole.text(), whole.to_scale(3).text()]);
    let ticker = json!({
        "a": quote(last.plus(tick)),
        "b": quote(last.plus(wide)),
        "c": [last.text(), lot(1).ok()?.text()],
        "v": [volume(now - midnight).text(), volume(86_400).text()],
        "p": [mean.text(), mean_24.text()],
        "t": [trades, 86_400 / 3],
        "l": [low.text(), low_24.text()],
        "h": [high.text(), high_24.text()],
        "o": price(midnight)?.text(),
    });
    Some(((*key).to_owned(), ticker))
}

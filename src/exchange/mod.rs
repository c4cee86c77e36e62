//! The exchange on one's own machine: the shapes of four public APIs over prices that move with
//! the clock, for trying and testing pipelines without network, keys and patience.
//!
//! Every answer is a function of the seed and the time, so that a test can ask for the same once
//! more and compute what should have become of it. Nothing is a float: a price is a decimal from
//! the walk to the text.

mod bitso;
mod coinbase;
mod coingecko;
mod decimal;
mod fault;
mod kraken;
mod market;
mod records;
mod reply;
mod server;
mod throttle;
mod walk;

pub use fault::FaultRule;
pub use server::{Exchange, ExchangeOptions, RateMode};

use reply::{Asked, Reply};

/// A public API that is imitated.
#[derive(Debug)]
struct Api {
    /// What its paths begin with.
    name: &'static str,
    /// The variable that turns the connection of the repository's project to another server.
    variable: &'static str,
    /// What the paths of the real one begin with; it may be left out.
    root: &'static str,
    /// How many requests are answered in how many seconds.
    limit: (u32, u64),
    /// What a client gets that asks for more; the seconds are what `Retry-After` says.
    throttled: fn(Option<u64>) -> Reply,
    /// The answer to a path below the root.
    answer: fn(&Asked<'_>) -> Reply,
}

/// Every API that is imitated.
const APIS: &[Api] = &[bitso::API, coinbase::API, coingecko::API, kraken::API];

#[cfg(test)]
mod tests {
    use super::market::Market;
    use super::reply::{Asked, time};
    use super::{APIS, records};

    const PATHS: &[(&str, &str)] = &[
        ("bitso", "/ticker/"),
        ("coinbase", "/products/BTC-USD/ticker"),
        ("coinbase", "/products/LTC-USD/ticker"),
        ("coingecko", "/coins/bitcoin/tickers"),
        ("coingecko", "/coins/dogecoin/tickers?page=2"),
        (
            "coingecko",
            "/coins/bitcoin/market_chart?vs_currency=usd&days=7",
        ),
        (
            "coingecko",
            "/coins/dogecoin/market_chart?vs_currency=btc&days=1",
        ),
        (
            "coingecko",
            "/coins/ripple/market_chart?vs_currency=eur&days=365",
        ),
        ("kraken", "/Ticker"),
    ];

    #[test]
    fn every_answer_holds_at_any_time_and_seed() {
        for seed in [0, 1, u64::MAX] {
            for step in 0..6 {
                let now = time(1_600_000_000 + step * 50_000_017);
                for (name, target) in PATHS {
                    let (path, query) = target.split_once('?').unwrap_or((target, ""));
                    let query: Vec<(String, String)> = query
                        .split('&')
                        .filter_map(|pair| pair.split_once('='))
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .collect();
                    let market = Market { seed };
                    let asked = Asked {
                        path,
                        query: &query,
                        market,
                        now,
                    };
                    let api = APIS.iter().find(|api| api.name == *name).expect("an API");
                    let reply = (api.answer)(&asked);
                    assert_eq!(reply.status, 200, "{name}{target}: {}", reply.body);
                    assert!(!reply.body.contains("\"error\":[\""), "{}", reply.body);
                    assert!(!reply.body.contains("null,null"), "{}", reply.body);
                    assert_eq!(reply, (api.answer)(&asked), "the same once more");
                }
            }
        }
    }

    #[test]
    fn a_private_exchange_serves_all_of_them() {
        let names: Vec<&str> = APIS.iter().map(|api| api.name).collect();
        assert_eq!(names, crate::embedded::exchange::APIS);
    }

    #[test]
    fn records_have_about_120_bytes_and_end() {
        let page = |page: &str, size: &str| {
            let query = [("page", page), ("size", size), ("count", "25")];
            let query = query.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let market = Market { seed: 1 };
            let asked = Asked {
                path: "",
                query: &query,
                market,
                now: time(0),
            };
            let body: serde_json::Value =
                serde_json::from_str(&records::answer(&asked).body).expect("JSON");
            body["records"].as_array().expect("a list").clone()
        };
        let counts = ["1", "2", "3", "4"].map(|number| page(number, "10").len());
        assert_eq!(counts, [10, 10, 5, 0]);
        for record in page("1", "10") {
            let length = record.to_string().len() + 1;
            assert!((100..=130).contains(&length), "{length}: {record}");
        }
        assert_eq!(page("3", "10")[4]["id"], 25);
    }
}

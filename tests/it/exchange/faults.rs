//! Limits, and what goes wrong on purpose.

use std::io::Read as _;

use super::server::{TestExchange, begin};

const TIME: &str = "2026-08-20T12:34:56Z";
const BITSO: &str = "/bitso/api/v3/ticker/?book=usd_mxn";

#[test]
fn who_asks_too_often_hears_it_in_the_words_of_the_api() {
    let exchange = TestExchange::start(&["--clock", TIME]);
    for (path, limit, status, word) in [
        (
            "/coingecko/coins/zcash/tickers?page=9",
            30,
            429,
            "Rate Limit",
        ),
        (BITSO, 60, 420, "0801"),
        ("/coinbase/products/BTC-USD/ticker", 10, 429, "rate limit"),
        ("/kraken/Ticker?pair=WAVESEUR", 15, 200, "Too many requests"),
    ] {
        // The window begins with the first request, and may end while we count.
        let answers: Vec<_> = (0..3 * limit).map(|_| exchange.get(path)).collect();
        let refused = answers.iter().find(|answer| answer.body.contains(word));
        let refused = refused.unwrap_or_else(|| panic!("{path} has no limit"));
        assert_eq!(refused.status, status, "{path}");
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{path}");
        let before = answers.iter().position(|answer| answer.body.contains(word));
        assert!(before >= Some(limit), "{path}");
    }
}

#[test]
fn a_fault_strikes_where_and_as_often_as_it_is_told() {
    let exchange = TestExchange::start(&[
        "--clock",
        TIME,
        "--rate",
        "unlimited",
        "--fault",
        "bitso:status=500*2",
        "--fault",
        "kraken:throttle=3s*1",
    ]);
    let statuses: Vec<u16> = (0..3).map(|_| exchange.get(BITSO).status).collect();
    assert_eq!(statuses, [500, 500, 200]);
    let throttled = exchange.get("/kraken/Ticker?pair=XBTEUR");
    assert_eq!(throttled.header("retry-after"), Some("3"));

    exchange.put("/faults", "coingecko:throttle*1\nbitso:types");
    let throttled = exchange.get("/coingecko/coins/zcash/tickers");
    assert_eq!(
        (throttled.status, throttled.header("retry-after")),
        (429, None)
    );
    assert!(exchange.get(BITSO).body.contains(r#""bid":"n/a""#));
    exchange.put("/faults", "");
    assert!(!exchange.get(BITSO).body.contains("n/a"));
}

#[test]
fn a_request_may_ask_for_its_own_fault() {
    let exchange = TestExchange::at(TIME);
    let whole = exchange.get(BITSO);
    assert!(!whole.cut);
    let cut = exchange.get(&format!("{BITSO}&fault=truncate=20"));
    assert!(cut.cut, "{cut:?}");
    assert_eq!(cut.body, whole.body[..20]);
    assert_eq!(cut.header("content-length"), whole.header("content-length"));
    assert_eq!(exchange.get(&format!("{BITSO}&fault=statsu")).status, 400);
    let late = exchange.get(&format!("{BITSO}&fault=latency=5ms"));
    assert_eq!(late.body, whole.body);
}

#[test]
fn a_stalled_answer_comes_so_far_and_a_slow_one_byte_by_byte() {
    let exchange = TestExchange::at(TIME);
    let first = |fault: &str| {
        let path = format!("{BITSO}&fault={fault}");
        let (answer, mut reader) = begin(&exchange.address, "GET", &path, "");
        assert_eq!(answer.status, 200);
        let mut bytes = [0; 3];
        reader.read_exact(&mut bytes).unwrap();
        let more = reader.buffer().len();
        (bytes, more)
    };
    assert_eq!(first("stall=3"), (*b"{\"s", 0));
    assert_eq!(first("dribble=3"), (*b"{\"s", 0));
}

//! `crypto_plots`: the points of its pictures, read back from the SVG by the axes beside them, against
//! what was sent.

use std::collections::BTreeMap;
use std::path::Path;

use super::runs::{project, runner};
use crate::engine::random::Random;
use crate::support::kafka::{brokers, cluster, send, to};
use crate::support::postgres::database;

/// A time in seconds since midnight, and a value.
type Point = (f64, f64);

/// A text with the place that it stands beside.
struct Label<'a> {
    text: &'a str,
    x: f64,
    y: f64,
}

fn labels(svg: &str) -> Vec<Label<'_>> {
    let groups = svg.split("aria-label=\"").skip(1);
    groups
        .map(|group| {
            let (text, rest) = group.split_once('"').unwrap();
            let place = rest.split_once("translate(").unwrap().1;
            let (x, y) = place.split_once(')').unwrap().0.split_once(' ').unwrap();
            let (x, y) = (x.parse().unwrap(), y.parse().unwrap());
            Label { text, x, y }
        })
        .collect()
}

/// Gives what a place along an axis stands for, by two of its ticks.
fn scale(ticks: &[(f64, f64)]) -> impl Fn(f64) -> f64 {
    let [(place, value), .., (far, most)] = *ticks else {
        panic!("{ticks:?}");
    };
    move |at| value + (at - place) * (most - value) / (far - place)
}

fn seconds(text: &str) -> Option<f64> {
    let parts: Result<Vec<f64>, _> = text.split(':').map(str::parse).collect();
    match parts.ok()?[..] {
        [hours, minutes] => Some(hours * 3600.0 + minutes * 60.0),
        [hours, minutes, seconds] => Some(hours * 3600.0 + minutes * 60.0 + seconds),
        _ => None,
    }
}

fn dollars(text: &str) -> Option<f64> {
    text.strip_prefix('$')?.replace(',', "").parse().ok()
}

/// The lines of a picture, in their order in the legend.
fn lines(folder: &Path, name: &str) -> Vec<Vec<Point>> {
    let path = folder.join("bucket/crypto_plots").join(name);
    let svg = std::fs::read_to_string(path.with_extension("svg")).unwrap();
    assert!(
        std::fs::read(path.with_extension("png"))
            .unwrap()
            .starts_with(b"\x89PNG\r\n")
    );
    let labels = labels(&svg);
    let across = labels
        .iter()
        .filter_map(|label| Some((label.x, seconds(label.text)?)));
    let up = labels
        .iter()
        .filter_map(|label| Some((label.y, dollars(label.text)?)));
    let (across, up) = (across.collect::<Vec<_>>(), up.collect::<Vec<_>>());
    // A label's own line is a little below its tick, by the same for all.
    let grid = svg.split("<path d=\"M").nth(1).unwrap();
    let lowest: f64 = grid.split([' ', 'H']).nth(1).unwrap().parse().unwrap();
    let below = up.iter().map(|(y, _)| *y).reduce(f64::max).unwrap() - lowest;
    let (across, up) = (scale(&across), scale(&up));
    let drawn = svg.split_once("<g clip-path").unwrap().1;
    let drawn = drawn.split_once("</g>").unwrap().0;
    drawn
        .split(" d=\"M")
        .skip(1)
        .map(|path| {
            let places = path.split_once('"').unwrap().0.split('L');
            places
                .map(|place| {
                    let (x, y) = place.split_once(' ').unwrap();
                    let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                    (across(x), up(y + below))
                })
                .collect()
        })
        .collect()
}

#[track_caller]
fn check(folder: &Path, name: &str, expected: &[Vec<Point>]) {
    let found = lines(folder, name);
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(expected) {
            let is_near = (found.0 - expected.0).abs() < 0.1 && (found.1 - expected.1).abs() < 0.1;
            assert!(is_near, "{name}: {found:?}, not {expected:?}");
        }
    }
}

#[derive(Default)]
struct Expected {
    prices: [Vec<Point>; 2],
    spreads: [Vec<Point>; 2],
    extremes: [Vec<Point>; 2],
}

/// 2026-05-29T00:00:00Z
const MIDNIGHT: i32 = 1_780_012_800;
const PAIRS: [&str; 3] = ["BTC-USD", "ETH-USD", "LTC-USD"];

#[tokio::test]
async fn the_pictures_show_what_was_sent() {
    let (brokers, database) = (brokers().await, database().await);
    let cluster = cluster(&to(brokers));
    let folder = project();
    let environment = [
        ("KAFKA_BROKERS", brokers),
        ("CRYPTO_DATA_URL", database.url.as_str()),
    ];
    let words = |dag, more: &[&'static str]| [&["trigger", dag], more].concat();
    let consume = words("crypto_metrics", &["-p", "until=caught_up"]);
    runner(folder.path(), &consume, &environment);
    let mut random = Random::new(5);
    let mut messages = Vec::new();
    let mut expected: BTreeMap<&str, Expected> = BTreeMap::new();
    let mut so_far: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    // Two messages of each pair are older than what is shown; the extremes go on from them.
    let times = [0, 600].into_iter().chain((0..60).map(|n| 4000 + 7 * n));
    for time in times {
        for (partition, pair) in (0..).zip(PAIRS) {
            let bid = 57_000.0 + f64::from(u32::try_from(random.below(10_000)).unwrap()) / 100.0;
            let spread = 50.0 + f64::from(u32::try_from(random.below(100)).unwrap());
            let (ask, at) = (bid + spread, MIDNIGHT + time);
            let message =
                format!(r#"{{"pair":"{pair}","bid":{bid:.2},"ask":{ask:.2},"timestamp":{at}}}"#);
            messages.push((partition, message));
            let [highest, lowest, widest] = so_far.entry(pair).or_insert([bid, ask, spread]);
            (*highest, *lowest) = (highest.max(bid), lowest.min(ask));
            *widest = widest.max(spread);
            if time < 4000 {
                continue;
            }
            let Expected {
                prices,
                spreads,
                extremes,
            } = expected.entry(pair).or_default();
            let lines = prices.iter_mut().chain(spreads).chain(extremes);
            for (line, value) in lines.zip([bid, ask, spread, *widest, *highest, *lowest]) {
                line.push((f64::from(time), value));
            }
        }
    }
    let borrowed: Vec<(i32, &str)> = messages.iter().map(|(p, text)| (*p, &**text)).collect();
    send(&cluster, "crypto_prices", &borrowed).await;
    runner(folder.path(), &consume, &environment);
    // Each picture takes its second in a program that isn't optimized.
    let pairs = r#"pairs=["BTC-USD", "LTC-USD"]"#;
    let plot = words("crypto_plots", &["-p", "last=10 minutes", "-p", pairs]);
    runner(folder.path(), &plot, &environment);
    let nothing = folder.path().join("bucket/crypto_plots/ETH-USD.svg");
    assert!(!nothing.exists());
    expected.remove("ETH-USD");
    for (pair, expected) in expected {
        check(folder.path(), pair, &expected.prices);
        check(folder.path(), &format!("{pair}_spread"), &expected.spreads);
        check(
            folder.path(),
            &format!("{pair}_extremes"),
            &expected.extremes,
        );
    }
}

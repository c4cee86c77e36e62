//! What pictures have in them, as text.

use runner::data::{Column, ColumnKind, Columns, DatasetName, DatasetWriter};
use runner::model::{ConnectionId, TaskId};
use serde_json::{Value as Json, json};

use super::{draw, read, svg};
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, session, statement};

const CANDLES: &str = "date,open,high,low,close
2026-08-21,60300,60400,59000,59100.5
2026-08-20,60000,61000,59500,60300
2026-08-22,59100,59100,59100,59100
2026-08-23,59100,,59100,59100
";

fn candles() -> Json {
    json!({
        "from": { "file": "in.csv" },
        "candlestick": { "x": "date", "open": "open", "high": "high", "low": "low", "close": "close" },
        "title": "Bitcoin, {{ params.days }} days",
        "axes": { "x": "Date", "y": { "label": "Price (USD)", "prefix": "$" } },
        "to": ["out/candles.svg", "out/candles.png"],
    })
}

fn attempt(csv: &str) -> Attempt {
    Attempt::new()
        .with("params", json!({ "days": 7 }))
        .file("in.csv", csv)
}

#[tokio::test]
async fn candles_lines_and_bars_are_drawn() {
    for (name, csv, plot) in [
        ("candles", CANDLES, candles()),
        (
            "lines",
            "at,pair,bid,spread\n\
             2026-08-20 23:59:50+00,BTC-USD,45000.5,50\n\
             2026-08-20 23:59:55+00,BTC-USD,,51.5\n\
             2026-08-21 00:00:00+00,BTC-USD,45010,70\n\
             2026-08-21 00:00:05+00,BTC-USD,44990.25,60\n\
             2026-08-21 00:00:00+00,ETH-USD,45005,\n",
            json!({
                "from": "in.csv",
                "line": [
                    { "x": "at", "y": { "bid": "Bid" }, "series": "pair" },
                    { "x": "at", "y": "spread", "axis": "right" },
                ],
                "axes": { "y": "Price", "right": { "label": "Spread", "min": 0, "max": 100 } },
                "theme": "dark", "size": "800x450", "to": "out/lines.svg",
            }),
        ),
        (
            "ratios",
            "at,BTC,DOGE\n2026-08-20,60000,0.11\n2026-08-21,61000,0\n2026-08-22,59000,0.13\n",
            json!({
                "from": "in.csv",
                "line": { "x": "at", "y": ["BTC", "DOGE"] },
                "axes": { "y": { "label": "Price", "scale": "log", "prefix": "$" } },
                "size": "800x450", "to": "out/ratios.svg",
            }),
        ),
        (
            "bars",
            "market,spot,margin\nKraken,5e6,-1e6\nBitso,2.5e6,1e6\n\"A & B <\",,3e6\n",
            json!({
                "from": "in.csv",
                "bar": { "x": "market", "y": ["spot", "margin"], "stacked": true },
                "subtitle": "a & b < c", "legend": "bottom", "size": "600x400", "to": "out/bars.svg",
            }),
        ),
    ] {
        let attempt = attempt(csv);
        let output = draw(&attempt, &plot).await;
        let path = format!("out/{name}.svg");
        assert_eq!(output.outputs["files"][0], path);
        insta::assert_snapshot!(name, svg(&attempt, &path));
    }
}

#[tokio::test]
async fn the_same_records_give_the_same_bytes() {
    let first = attempt(CANDLES);
    let second = attempt(CANDLES);
    for attempt in [&first, &second] {
        let output = draw(attempt, &candles()).await;
        assert_eq!(output.outputs["points"], 3);
        assert_eq!(output.metrics.rows, Some(4));
        assert_eq!(output.metrics.made, ["out/candles.svg", "out/candles.png"]);
        assert!(
            attempt
                .log()
                .iter()
                .any(|line| line.contains("1 candles are left out"))
        );
    }
    for path in ["out/candles.svg", "out/candles.png"] {
        assert!(read(&first, path) == read(&second, path), "{path}");
    }
    let made = std::fs::read_dir(first.folder().join("out")).unwrap();
    assert_eq!(made.count(), 2, "nothing is left beside the files");
}

#[tokio::test]
async fn without_a_value_nothing_is_drawn() {
    for (csv, expected) in [
        ("date,open,high,low,close\n", "no records: nothing is drawn"),
        (
            "date,open,high,low,close\n2026-08-20,,,,\n,1,1,1,1\n",
            "2 records without a value: nothing is drawn",
        ),
    ] {
        let attempt = attempt(csv);
        let output = draw(&attempt, &candles()).await;
        assert_eq!(output.outputs["points"], 0);
        assert_eq!(output.metrics.summary.as_deref(), Some("nothing to draw"));
        let log = attempt.log();
        assert!(log.iter().any(|line| line.contains(expected)), "{log:?}");
        assert!(!attempt.folder().join("out").exists());
    }
}

#[tokio::test]
async fn a_picture_goes_into_a_bucket() {
    let mut attempt = attempt(CANDLES);
    let places = places(attempt.folder());
    let bucket = connection("lake", "bucket: lake/", &places);
    let id = ConnectionId::new("lake").unwrap();
    attempt.connections.insert(id, bucket);
    let mut plot = candles();
    let in_bucket = json!({ "connection": "lake", "file": "{{ run.dag }}/candles.svg" });
    plot["to"] = json!([in_bucket, "candles.svg"]);
    draw(&attempt, &plot).await;
    assert!(read(&attempt, "lake/dag/candles.svg") == read(&attempt, "candles.svg"));
    let task = attempt.parse(super::kind(), &plot).task();
    assert_eq!(task.connections(), ["lake"]);
}

/// The `y` of every place in the longest path of an SVG.
fn heights(svg: &str) -> Vec<f64> {
    let paths = svg.split("d=\"").skip(1);
    let longest = paths
        .map(|path| path.split('"').next().unwrap())
        .max_by_key(|path| path.len())
        .unwrap();
    let places = longest.split(['M', 'L']).filter(|place| !place.is_empty());
    places
        .map(|place| place.split_once(' ').unwrap().1.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn of_many_points_the_extremes_are_drawn() {
    let mut csv = String::from("n,value\n");
    for n in 0..100_000 {
        let value = match n {
            31_337 => 900,
            77_777 => -900,
            _ => n % 7,
        };
        csv.push_str(&format!("{n},{value}\n"));
    }
    let attempt = attempt(&csv);
    let plot = json!({
        "from": "in.csv", "line": { "x": "n", "y": "value" },
        "axes": { "y": { "min": -1000, "max": 1000 } }, "legend": "none", "to": "out.svg",
    });
    let output = draw(&attempt, &plot).await;
    assert_eq!(output.outputs["points"], 100_000);
    let svg = svg(&attempt, "out.svg");
    assert!(svg.len() < 200_000, "{}", svg.len());
    let heights = heights(&svg);
    let extreme = |better: fn(f64, f64) -> f64| heights.iter().copied().reduce(better).unwrap();
    let (top, bottom) = (extreme(f64::min), extreme(f64::max));
    // 3 is in the middle of all other values: 0 to 6.
    let middle = heights
        .iter()
        .filter(|y| **y > top + 50.0 && **y < bottom - 50.0);
    let all: Vec<f64> = middle.copied().collect();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let (up, down) = (mean - top, bottom - mean);
    assert!((up / down - 897.0 / 903.0).abs() < 0.01, "{up} {down}");
}

#[tokio::test]
async fn any_numbers_have_their_axis() {
    for (values, ticks) in [
        (vec!["0.00000213"], vec!["2.1×10⁻⁶", "2.2×10⁻⁶"]),
        (vec!["-3", "-1"], vec!["−3.0", "−1.0"]),
        (vec!["1e22", "3e22"], vec!["1×10²²", "3×10²²"]),
        (vec!["5", "NaN", "Infinity", "7"], vec!["5.0", "7.0"]),
        (vec!["0", "0"], vec!["0.0", "1.0"]),
        (vec!["123456789012345678901234567890"], vec!["1.2×10²⁹"]),
    ] {
        let mut csv = String::from("n,value\n");
        for (n, value) in values.iter().enumerate() {
            csv.push_str(&format!("{n},{value}\n"));
        }
        let attempt = attempt(&csv);
        let plot = json!({ "from": "in.csv", "line": { "x": "n", "y": "value" }, "to": "out.svg" });
        draw(&attempt, &plot).await;
        let svg = svg(&attempt, "out.svg");
        for tick in ticks {
            let label = format!("aria-label=\"{tick}\"");
            assert!(svg.contains(&label), "{values:?} {tick}: {svg}");
        }
    }
}

#[tokio::test]
async fn a_query_and_a_dataset_are_sources() {
    let mut attempt = attempt("");
    let places = places(attempt.folder());
    let database = connection("results", "sqlite: results.db", &places);
    {
        let mut session = session(&database).await;
        for text in [
            "create table prices (at text, price numeric)",
            "insert into prices values ('2026-08-20', 1.5), ('2026-08-21', 2.5)",
        ] {
            session.execute(&statement(text, &[])).await.unwrap();
        }
    }
    let id = ConnectionId::new("results").unwrap();
    attempt.connections.insert(id, database);
    let columns: Columns = [("at", ColumnKind::Text), ("price", ColumnKind::Number)]
        .map(|(name, kind)| Column {
            name: name.into(),
            kind,
        })
        .into();
    let mut rows = runner::data::BatchBuilder::new(columns.clone());
    for cell in ["2026-08-20", "1.5", "2026-08-21", "2.5"] {
        rows.push(Some(cell.as_bytes()));
    }
    let name = DatasetName {
        run: "r",
        task: "prices",
        item: None,
        generation: 0,
    };
    let state = attempt.folder().join(".runner");
    let mut writer = DatasetWriter::create(&state, name, columns).await.unwrap();
    writer.write(rows.take()).await.unwrap();
    let dataset = writer.finish().await.unwrap();
    attempt
        .datasets
        .insert(TaskId::new("prices").unwrap(), vec![dataset]);
    let mut drawn = Vec::new();
    for from in [
        json!({ "connection": "results", "query": "select at, price from prices where price > :least", "params": { "least": 0 } }),
        json!({ "dataset": "prices" }),
    ] {
        let plot = json!({ "from": from, "bar": { "x": "at", "y": "price" }, "to": "out.svg" });
        let output = draw(&attempt, &plot).await;
        assert_eq!(output.outputs["points"], 2, "{from}");
        drawn.push(read(&attempt, "out.svg"));
    }
    assert!(drawn[0] == drawn[1]);
}

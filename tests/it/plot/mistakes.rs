//! What is wrong with a plot, before and while it runs.

use serde_json::{Value as Json, json};

use super::kind;
use crate::support::attempt::Attempt;

fn attempt() -> Attempt {
    Attempt::new().file(
        "in.csv",
        "day,price,name\n2026-08-20,1.5,a\n2026-08-21,x,b\n",
    )
}

fn line(line: &Json) -> Json {
    json!({ "from": "in.csv", "line": line, "to": "out.svg" })
}

#[tokio::test]
async fn records_that_cannot_be_drawn_are_named() {
    for (plot, expected) in [
        (
            line(&json!({ "x": "day", "y": "prize" })),
            "the records have no column `prize`: did you mean `price`?",
        ),
        (
            line(&json!({ "x": "day", "y": "bid" })),
            "the records have no column `bid`: they have `day`, `price`, `name`",
        ),
        (
            line(&json!({ "x": "day", "y": "price" })),
            "in.csv:3: column `price`: `x` is no number",
        ),
        (
            line(&json!({ "x": "price", "y": "price" })),
            "in.csv:3: column `price`: `x` is no number that can be drawn: the axis is one of \
             numbers, `axes: { x: { type: category } }` makes it one of names",
        ),
        (
            json!({
                "from": "in.csv", "to": "out.svg", "line": { "x": "name", "y": "price" },
                "axes": { "x": { "type": "time" } },
            }),
            "in.csv:2: column `name`: `a` is no time: the axis is one of times",
        ),
        (
            json!({
                "from": "in.csv", "to": "{{ run.dag }}.gif", "line": { "x": "day", "y": "price" },
            }),
            "the extension of `dag.gif` doesn't say what to draw: it has to be `.png` or `.svg`",
        ),
    ] {
        let attempt = attempt();
        let failure = attempt.run(kind(), &plot).await.unwrap_err();
        assert_eq!(&*failure.cause.message, expected, "{plot}");
        assert!(!attempt.folder().join("out.svg").exists());
    }
}

#[tokio::test]
async fn too_much_is_said_before_it_is_too_much() {
    let mut points = String::from("n,value\n");
    let mut series = String::from("n,value\n");
    for n in 0..5_001 {
        points.push_str(&format!("{n},{n}\n"));
        series.push_str(&format!("{n},1\n"));
    }
    let names: Vec<&str> = vec!["value"; 200];
    for (csv, plot, expected) in [
        (
            &points,
            line(&json!({ "x": "n", "y": names })),
            "in.csv:5002: a picture has at most 1000000 values: let the query put them together, \
             such as by `date_trunc('minute', …)` with `min` and `max`",
        ),
        (
            &series,
            line(&json!({ "x": "n", "y": "value", "series": "n" })),
            "in.csv:202: a picture has at most 200 series: let the query leave some out",
        ),
    ] {
        let attempt = Attempt::new().file("in.csv", csv);
        let failure = attempt.run(kind(), &plot).await.unwrap_err();
        assert_eq!(&*failure.cause.message, expected);
    }
}

#[tokio::test]
async fn what_has_no_place_on_a_log_scale_is_left_out() {
    let plot = |y: &str| {
        let mut plot = line(&json!({ "x": "n", "y": y }));
        plot["axes"] = json!({ "y": { "scale": "log" } });
        plot
    };
    let attempt = Attempt::new().file("in.csv", "n,v,w\n1,2,0\n2,0,-1\n3,-5,0\n4,2000,0\n");
    let output = attempt.run(kind(), &plot("v")).await.unwrap();
    assert_eq!(output.outputs["points"], 4);
    let log = attempt.log();
    let expected = "2 values are left out: a log scale has no place for what isn't above zero";
    assert!(log.iter().any(|line| line.contains(expected)), "{log:?}");
    let output = attempt.run(kind(), &plot("w")).await.unwrap();
    assert_eq!(output.outputs["points"], 0);
}

#[tokio::test]
async fn letters_that_the_font_lacks_are_said() {
    let attempt = Attempt::new().file("in.csv", "n,v\n1,2\n");
    let mut plot = line(&json!({ "x": "n", "y": "v" }));
    plot["title"] = json!("比特币 price");
    attempt.run(kind(), &plot).await.unwrap();
    let log = attempt.log();
    let expected = "the font has no letters for `币比特`: they are drawn as boxes";
    assert!(log.iter().any(|line| line.contains(expected)), "{log:?}");
}

#[test]
fn mistakes_are_found_before_the_run() {
    let mut found = String::new();
    let fine = json!({ "x": "day", "y": "price" });
    let with = |key: &str, value: Json| {
        let mut plot = line(&fine);
        plot[key] = value;
        plot
    };
    for plot in [
        json!({}),
        json!({ "from": "in.csv", "to": "out.svg" }),
        json!({ "from": "in.csv", "line": fine }),
        with("to", json!(["out.svg", "out.gif"])),
        with("to", json!("{{ params.name }}.svg")),
        with("titel", json!("x")),
        with("title", json!("{{ params.x }}")),
        with("line", json!({ "x": "day", "z": "price" })),
        with("line", json!({ "x": "day", "y": [] })),
        with("line", json!({ "x": "day", "y": "price", "axis": "rigth" })),
        with("axes", json!({ "y": { "scale": "logg" } })),
        with("axes", json!({ "y": { "scale": "log", "min": 0 } })),
        json!({
            "from": "in.csv", "to": "out.svg", "bar": fine,
            "axes": { "y": { "scale": "log" }, "right": { "scale": "log" } },
        }),
        with("bar", json!({ "x": "day", "y": 5 })),
        with(
            "candlestick",
            json!({ "x": "day", "open": "a", "high": "b", "low": "c" }),
        ),
        with("theme", json!("drak")),
        with("size", json!("1200")),
        with("size", json!("20x20")),
        with("size", json!("4000x4000")),
        with("scale", json!(0)),
        with("legend", json!("left")),
        with("axes", json!({ "x": { "type": "number", "ticks": "1d" } })),
        with("axes", json!({ "x": { "format": "%Q" } })),
        with("axes", json!({ "x": { "ticks": 5 } })),
        with("axes", json!({ "y": { "min": 5, "max": 5 } })),
        with("axes", json!({ "y": { "format": "shrt", "decimals": 30 } })),
        with("axes", json!({ "right": "nothing" })),
        with("axes", json!({ "z": "x" })),
    ] {
        let messages = attempt().parse(kind(), &plot).messages();
        found.push_str(&format!("{plot}\n{messages}\n"));
    }
    insta::assert_snapshot!(found);
}

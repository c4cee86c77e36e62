//! How parameters are read and bound.

use super::*;
use crate::document::SourceId;
use serde_json::json;

fn params(text: &str) -> (Params, Vec<String>) {
    let mut report = Report::default();
    let node = crate::spec::read_yaml(SourceId(0), text, &mut report).unwrap();
    let map = Map::from_node(&node, &mut report).unwrap();
    let params = Params::read(&map, &mut report);
    let messages = report
        .into_diagnostics()
        .into_iter()
        .map(|diagnostic| diagnostic.message)
        .collect();
    (params, messages)
}

fn bind(params: &Params, given: &[(&str, &str)]) -> Result<Json, Vec<String>> {
    let given: Vec<(String, String)> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    params.bind(&given).map(Json::Object)
}

#[test]
fn values_are_typed_by_their_default() {
    let (params, found) = params(
        "coins: [a, b]\nthreshold: { type: number, default: 2.0, minimum: 0 }\nday: { type: date }\nstatus: ~\nn: 3\n",
    );
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(
        bind(
            &params,
            &[
                ("day", "2020-08-20"),
                ("coins", "x,y"),
                ("threshold", "2.50")
            ]
        ),
        Ok(serde_json::from_str(
            r#"{"coins":["x","y"],"threshold":2.50,"day":"2020-08-20","status":null,"n":3}"#
        )
        .unwrap())
    );
    assert_eq!(
        bind(
            &params,
            &[
                ("day", "tomorrow"),
                ("n", "x"),
                ("coin", "1"),
                ("threshold", "-1")
            ]
        ),
        Err(vec![
            "parameter `coin` doesn't exist: did you mean `coins`?".to_owned(),
            "parameter `threshold`: `-1` is less than 0".to_owned(),
            "parameter `day`: `tomorrow` isn't a date".to_owned(),
            "parameter `n`: `x` isn't an integer".to_owned(),
        ])
    );
    assert_eq!(
        bind(&params, &[]).unwrap_err(),
        ["parameter `day`: it has no default: give `-p day=…`"]
    );
    assert_eq!(
        bind(&params, &[("day", "2020-08-20")]).unwrap()["n"],
        json!(3)
    );
}

#[test]
fn defaults_must_fit() {
    let (_, found) = params(
        "a: { type: integer, default: x }\nb: { enum: [1, 2], default: 3 }\nc: { type: strin }\n2x: 1\n",
    );
    assert_eq!(
        found,
        [
            "the default `x` isn't an integer",
            "the default `3` isn't one of `1`, `2`",
            "unknown type `strin`",
            "`2x` can't be the name of a parameter"
        ]
    );
}

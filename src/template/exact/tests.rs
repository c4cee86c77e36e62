use super::*;
use serde_json::json;

fn evaluate(text: &str) -> Result<String, String> {
    let record: Json = serde_json::from_str(
        r#"{ "ask": 17.64, "bid": 17.62, "huge": 6800000000000.123456789012345678,
             "name": "x", "market": { "fee": 0.10000000000000000001, "tags": ["a"] }, "none": null, "n": 3 }"#,
    )
    .unwrap();
    let mut scope = Scope::default();
    for (name, value) in record.as_object().unwrap() {
        scope.set(name, value);
    }
    Exact::read(text)
        .expect("known")
        .evaluate(&scope)
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn numbers_keep_their_digits() {
    for (text, expected) in [
        ("0.1 + 0.2", "0.3"),
        ("ask - bid", "0.02"),
        (
            "(ask - bid) * 100 / ask",
            "0.1133786848072562358276643990929705",
        ),
        ("huge * 2", "13600000000000.246913578024691356"),
        ("huge", "6800000000000.123456789012345678"),
        ("market.fee + 1", "1.10000000000000000001"),
        ("market['fee'] * 10", "1.0000000000000000001"),
        ("market.tags[0] ~ n", "\"a3\""),
        ("(ask + bid) / 2", "17.63"),
        ("ask | round(1)", "17.6"),
        ("17.65 | round(1)", "17.7"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("1 / 3 * 3 < 1", "true"),
        ("n + 1", "4"),
        ("4 / 2", "2"),
        ("0.0 * 5", "0"),
        ("'17.62' | float + 1", "18.62"),
        ("17.9 | int", "17"),
        ("ask > bid and bid > 0", "true"),
        ("1 < n <= 3", "true"),
        ("0.3 == 0.1 + 0.2", "true"),
        ("name in ['x', 'y']", "true"),
        ("name not in 'abc'", "true"),
        ("'high' if ask > 17.6300 else 'low'", "\"high\""),
        ("none is none", "true"),
        ("none | default(1, true)", "1"),
        ("name + '!'", "\"x!\""),
        ("ask ~ '|' ~ bid", "\"17.64|17.62\""),
        ("name | upper", "\"X\""),
        ("not name", "false"),
        ("-ask", "-17.64"),
    ] {
        assert_eq!(evaluate(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_told() {
    for (text, expected) in [
        ("ask / 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("ask + name", "tried to use + on number and string"),
        ("-name", "tried to use - on string"),
        ("nothing + 1", "undefined"),
        ("market.nothing + 1", "undefined"),
        ("2 ** 1001", "up to 1000"),
        ("(10 ** 999) ** 999", "more than 10000 digits"),
    ] {
        let error = evaluate(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn the_rest_is_left_to_the_library() {
    for text in [
        "range(3)",
        "name[1:]",
        "{'a': 1}",
        "name | replace('a', b=1)",
        "1 +",
    ] {
        assert!(Exact::read(text).is_none(), "{text}");
    }
    let scope = Scope::default().with("big", &json!(1));
    assert!(scope.exact("big").is_none());
}

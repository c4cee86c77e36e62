//! The scanner and the walk, with `serde_json` as the oracle.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::outline::Outline;
use super::path::{RecordsPath, Step};
use super::scan::{Chunks, checked};
use super::trouble::Trouble;
use super::walk::Walk;
use crate::data::DataError;

/// A document in pieces of so many bytes.
struct Pieces {
    rest: Bytes,
    size: usize,
}

impl Chunks for Pieces {
    fn next(&mut self) -> Result<Option<Bytes>, DataError> {
        let size = self.size.min(self.rest.len());
        Ok((size > 0).then(|| self.rest.split_to(size)))
    }
}

#[derive(Debug, PartialEq)]
struct Walked {
    records: Vec<String>,
    beside: String,
    missing: Option<String>,
}

fn walk(document: &[u8], path: &str, size: usize) -> Result<Walked, String> {
    let path = match path {
        "" => RecordsPath::default(),
        path => RecordsPath::parse(path).unwrap(),
    };
    let pieces = Pieces {
        rest: Bytes::copy_from_slice(document),
        size,
    };
    let read = || {
        let mut walk = Walk::begin(pieces, &path, Outline::new(1 << 20), true)?;
        let mut records = Vec::new();
        while let Some(record) = walk.next()? {
            records.push(String::from_utf8(record.to_vec()).unwrap());
        }
        let (outline, missing) = walk.finish();
        Ok(Walked {
            records,
            beside: String::from_utf8(outline.text().unwrap()).unwrap(),
            missing,
        })
    };
    read().map_err(|trouble: Trouble| match trouble {
        Trouble::Malformed(message) | Trouble::Cut(message) => message,
        Trouble::Input(error) => error.to_string(),
    })
}

/// Walks with pieces of every size; all must agree.
fn check(document: &str, path: &str) -> Result<Walked, String> {
    let whole = walk(document.as_bytes(), path, usize::MAX);
    for size in 1..=document.len().min(40) {
        // What a message shows around a mistake depends on what is there.
        let shown = |walked: Result<Walked, String>| {
            walked.map_err(|message| message.split(": `").next().unwrap().to_owned())
        };
        assert_eq!(
            shown(walk(document.as_bytes(), path, size)),
            shown(walk(document.as_bytes(), path, usize::MAX)),
            "{document} in pieces of {size}"
        );
    }
    whole
}

const TICKERS: &str = r#"{"name": "Bitcoin", "tickers": [{"base": "BTC", "last": 1.50},
  {"base": "E\"TH", "last": 2e-8}], "deep": {"list": [[1, 2.0], [3, null]]}, "more": 7}"#;

#[test]
fn paths_lead_to_records() {
    for (document, path, records, beside) in [
        (
            TICKERS,
            "tickers",
            &[
                r#"{"base": "BTC", "last": 1.50}"#,
                r#"{"base": "E\"TH", "last": 2e-8}"#,
            ][..],
            r#"{"name": "Bitcoin", "tickers": [], "deep": {"list": [[1, 2.0], [3, null]]}, "more": 7}"#,
        ),
        (TICKERS, "tickers[1].last", &["2e-8"], TICKERS),
        (
            TICKERS,
            "tickers.*.base",
            &["\"BTC\"", r#""E\"TH""#],
            TICKERS,
        ),
        (TICKERS, "deep.list", &["[1, 2.0]", "[3, null]"], ""),
        (TICKERS, "deep.*", &["[1, 2.0]", "[3, null]"], ""),
        (TICKERS, "deep.list[0]", &["1", "2.0"], ""),
        (TICKERS, "more", &["7"], TICKERS),
        ("[1, [2], {}]", "", &["1", "[2]", "{}"], ""),
        ("[]", "", &[], ""),
        ("[[1],[2,3]]", "*", &["1", "2", "3"], "[[],[]]"),
        ("{\"a\": null}", "a", &[], ""),
        ("\u{feff} {\"a\": 1} ", "", &["{\"a\": 1}"], ""),
        ("{\"a\": {}}", "a.*", &[], ""),
        (
            "{\"a.b\": {\"\\u00e9 x\": [5]}}",
            r#"["a.b"]["é x"]"#,
            &["5"],
            "",
        ),
        ("\"text\"", "", &["\"text\""], ""),
        ("-0.5e+10", "", &["-0.5e+10"], ""),
    ] {
        let walked = check(document, path).unwrap();
        assert_eq!(walked.records, records, "{document} {path}");
        assert_eq!(walked.missing, None, "{document} {path}");
        if !beside.is_empty() {
            assert_eq!(walked.beside, beside, "{document} {path}");
        }
        // What stands beside the records is JSON.
        serde_json::from_str::<&RawValue>(&walked.beside).expect(&walked.beside);
    }
}

#[test]
fn a_path_that_leads_nowhere_says_where_it_ends() {
    for (document, path, expected) in [
        (
            "{\"error\": \"x\", \"ticker\": []}",
            "tickers",
            "the document has no `tickers`: did you mean `ticker`?",
        ),
        (
            "{\"error\": \"x\"}",
            "tickers",
            "the document has no `tickers`: it has `error`",
        ),
        ("{}", "a", "the document has no `a`: it is empty"),
        (
            "{\"a\": {\"b\": 1}}",
            "a.items",
            "`a` has no `items`: it has `b`",
        ),
        (
            "{\"a\": 5}",
            "a.items",
            "`a` is a number, `records` needs an object there",
        ),
        (
            "{\"a\": null}",
            "a.*",
            "`a` is null, `records` needs an object or an array there",
        ),
        (
            "[1, 2]",
            "items",
            "the document is an array, `records` needs an object there",
        ),
        ("{\"a\": [1, 2]}", "a[2]", "`a` has no item `[2]`: it has 2"),
        (
            "{\"a\": {\"x\": {}, \"y\": {}}}",
            "a.*.items",
            "`a[*]` has no `items`: it is empty",
        ),
    ] {
        let walked = check(document, path).unwrap();
        assert_eq!(
            walked.missing.as_deref(),
            Some(expected),
            "{document} {path}"
        );
        assert!(walked.records.is_empty());
    }
    // One that has it is enough.
    let walked = check("{\"x\": {\"items\": [1]}, \"y\": {}}", "*.items").unwrap();
    assert_eq!((walked.records.len(), walked.missing), (1, None));
}

#[test]
fn mistakes_are_placed() {
    for (document, path, expected) in [
        (
            "{\"a\": [1 2]}",
            "a",
            "malformed JSON at offset 9 (line 1, column 10): expected `,` or `]`: `{\"a\": [1 ⟶2]}`",
        ),
        (
            "{\"é\": 1,\n \"b\" 2}",
            "a",
            "malformed JSON at offset 15 (line 2, column 6): expected `:`: `{\"é\": 1,  \"b\" ⟶2}`",
        ),
        (
            "[1] x",
            "",
            "malformed JSON at offset 4 (line 1, column 5): expected the end of the document: `[1] ⟶x`",
        ),
        (
            "[1][2]",
            "",
            "malformed JSON at offset 3 (line 1, column 4): expected the end of the document: `[1]⟶[2]`",
        ),
        (
            "{\"a\": [1, {\"b\"",
            "a",
            "the document ends too early, at offset 14 (line 1, column 15): expected `:`",
        ),
        (
            "[\"abc",
            "",
            "the document ends too early, at offset 5 (line 1, column 6): expected a quote that ends the text",
        ),
        (
            "",
            "",
            "the document ends too early, at offset 0 (line 1, column 1): expected a value",
        ),
        (
            "[1,]",
            "",
            "malformed JSON at offset 3 (line 1, column 4): expected a value: `[1,⟶]`",
        ),
        (
            "[01]",
            "",
            "malformed JSON at offset 2 (line 1, column 3): a number begins with a needless 0: `[0⟶1]`",
        ),
        (
            "[\"a\tb\"]",
            "",
            "malformed JSON at offset 3 (line 1, column 4): a control character in a text: `[\"a⟶ b\"]`",
        ),
        (
            "{\"a\": 1, \"a\": [2]}",
            "a",
            "malformed JSON at offset 13 (line 1, column 14): key `a` is there twice: which one is meant?: `{\"a\": 1, \"a\":⟶ [2]}`",
        ),
        (
            "<html>",
            "",
            "malformed JSON at offset 0 (line 1, column 1): expected a value: `⟶<html>`",
        ),
    ] {
        assert_eq!(check(document, path).unwrap_err(), expected);
    }
    let garbled = walk(b"[\"a\xff\"]", "", 2).unwrap_err();
    assert!(
        garbled.starts_with("malformed JSON at offset 3 (line 1, column 4): the text isn't UTF-8"),
        "{garbled}"
    );
    let cut = walk(b"[\"a\xc3", "", 2).unwrap_err();
    assert!(cut.contains("isn't UTF-8"), "{cut}");
}

#[test]
fn depth_has_a_limit() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for path in ["", "*.*"] {
        assert!(walk(nested(127).as_bytes(), path, 7).is_ok());
        let message = walk(nested(128).as_bytes(), path, 7).unwrap_err();
        assert!(
            message.contains("nested deeper than 127 levels"),
            "{message}"
        );
    }
    // Far more than a stack would hold.
    assert!(walk(nested(1_000_000).as_bytes(), "", 4096).is_err());
}

/// A value, with all that JSON can have in it.
fn value() -> impl Strategy<Value = Json> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("JSON has no infinity", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(|text| serde_json::from_str(&text).unwrap()),
        any::<String>().prop_map(Json::String),
        "[a-c\"\\\\/é😀\u{1}\n]{0,8}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec(("[a-c]{1,2}|\\PC{0,3}", inner), 0..6)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

/// The text of a value, with spaces.
fn text(value: &Json, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(value).unwrap()
    } else {
        value.to_string()
    }
}

/// All values that a path matches, as the records they give.
fn oracle(value: &Json, steps: &[Step], records: &mut Vec<Json>) {
    let Some((step, rest)) = steps.split_first() else {
        match value {
            Json::Array(items) => records.extend(items.iter().cloned()),
            Json::Null => {}
            other => records.push(other.clone()),
        }
        return;
    };
    match (step, value) {
        (Step::Name(name), Json::Object(members)) => {
            if let Some(member) = members.get(name) {
                oracle(member, rest, records);
            }
        }
        (Step::Index(index), Json::Array(items)) => {
            if let Some(item) = items.get(usize::try_from(*index).unwrap()) {
                oracle(item, rest, records);
            }
        }
        (Step::Every, Json::Array(items)) => {
            for item in items {
                oracle(item, rest, records);
            }
        }
        (Step::Every, Json::Object(members)) => {
            for item in members.values() {
                oracle(item, rest, records);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn records_are_those_of_the_oracle(
        document in value(),
        path in prop_oneof![Just(""), Just("a"), Just("*"), Just("a.b"), Just("*.a"), Just("[1]"), Just("*.*")],
        pretty: bool,
        size in 1usize..20,
    ) {
        let text = text(&document, pretty);
        let walked = walk(text.as_bytes(), path, size).unwrap();
        let found: Vec<Json> = walked.records.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
        let path = if path.is_empty() { RecordsPath::default() } else { RecordsPath::parse(path).unwrap() };
        let mut expected = Vec::new();
        oracle(&document, path.steps(), &mut expected);
        prop_assert_eq!(found, expected);
        prop_assert!(serde_json::from_str::<&RawValue>(&walked.beside).is_ok(), "{}", walked.beside);
    }

    /// Of a text that was broken somewhere both say the same: JSON or not.
    #[test]
    fn what_is_json_is_json_for_both(
        document in value(),
        at: prop::sample::Index,
        with in prop_oneof![Just(String::new()), "[\\[\\]{},:\"\\\\0-9eE.+\\- truefalsn\u{1}]{1,2}"],
        remove in 0usize..3,
        size in 1usize..9,
    ) {
        let mut characters: Vec<char> = document.to_string().chars().collect();
        let at = at.index(characters.len() + 1);
        let end = (at + remove).min(characters.len());
        characters.splice(at..end, with.chars());
        let text: String = characters.into_iter().collect();
        let expected = serde_json::from_str::<&RawValue>(&text).is_ok();
        prop_assert_eq!(walk(text.as_bytes(), "", size).is_ok(), expected, "{}", text);
        prop_assert_eq!(checked(text.as_bytes()).is_ok(), expected, "{}", text);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, size in 1usize..9) {
        let expected = serde_json::from_slice::<&RawValue>(&bytes).is_ok();
        prop_assert_eq!(walk(&bytes, "", size).is_ok(), expected);
    }
}

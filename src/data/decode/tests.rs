//! Documents in, rows out.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Decoded, Decoding, Document, DocumentEnd, Notation};
use crate::data::json::RecordsPath;
use crate::data::ndjson::Wanted;
use crate::data::{Batch, Column, ColumnKind, DataError, RecordSource};

fn path(text: &str) -> RecordsPath {
    match text {
        "" => RecordsPath::default(),
        text => RecordsPath::parse(text).unwrap(),
    }
}

fn document(name: &str, notation: Notation) -> Document {
    Document {
        name: name.to_owned(),
        notation,
        extra: Vec::new(),
        withhold: false,
    }
}

fn rows(batch: &Batch) -> Vec<Json> {
    (0..batch.rows())
        .map(|row| Json::Object(batch.row_as_json(row)))
        .collect()
}

/// What came out: columns, rows, how each document ended.
#[derive(Debug)]
struct Out {
    columns: Vec<(String, ColumnKind)>,
    rows: Vec<Json>,
    ends: Vec<Result<DocumentEnd, String>>,
    failure: Option<String>,
}

/// Feeds documents in pieces of `size` bytes. A document that fails ends the stream unless it is
/// withheld.
async fn decode(decoding: Decoding, documents: &[(Document, &str)], size: usize) -> Out {
    let ends = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = ends.clone();
    let opened = Decoded::open(decoding, None, |mut feed| {
        Box::pin(async move {
            for (document, text) in documents {
                let withhold = document.withhold;
                feed.begin(document.clone()).await?;
                let mut failed = None;
                for piece in text.as_bytes().chunks(size) {
                    if let Err(error) = feed.chunk(Bytes::copy_from_slice(piece)).await {
                        failed = Some(error);
                        break;
                    }
                }
                let end = match failed {
                    Some(error) => Err(error),
                    None => feed.end().await,
                };
                told.lock()
                    .unwrap()
                    .push(end.as_ref().map(Clone::clone).map_err(DataError::to_string));
                match end {
                    Ok(_) if withhold => feed.keep(!text.contains("unwanted")).await?,
                    Err(error) if !withhold => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
    })
    .await;
    let mut out = Out {
        columns: Vec::new(),
        rows: Vec::new(),
        ends: Vec::new(),
        failure: None,
    };
    match opened {
        Ok(mut source) => {
            out.columns = source
                .columns()
                .iter()
                .map(|column| (column.name.to_string(), column.kind))
                .collect();
            loop {
                match source.next().await {
                    Ok(Some(batch)) => out.rows.extend(rows(&batch)),
                    Ok(None) => break,
                    Err(error) => {
                        out.failure = Some(error.to_string());
                        break;
                    }
                }
            }
        }
        Err(error) => out.failure = Some(error.to_string()),
    }
    out.ends = std::mem::take(&mut *ends.lock().unwrap());
    out
}

#[tokio::test]
async fn every_notation_gives_rows() {
    use ColumnKind::{Boolean, Json as J, Number, Text};
    for (notation, records, text, columns, expected) in [
        (
            Notation::Json,
            "r",
            r#"{"r": [{"a": 1.50, "b": "x\ny", "c": [1, {"d": null}]}, {"b": null, "a": 2, "c": "t"}, {}]}"#,
            vec![("a", Number), ("b", Text), ("c", J)],
            json!([{"a": serde_json::from_str::<Json>("1.50").unwrap(), "b": "x\ny", "c": [1, {"d": null}]},
                {"a": 2, "b": null, "c": "t"}, {"a": null, "b": null, "c": null}]),
        ),
        (
            Notation::Json,
            "prices",
            r#"{"prices": [[1700000000000, 36000.123456789012345], [1700003600000, 1e3, true]]}"#,
            vec![("0", Number), ("1", Number), ("2", Boolean)],
            json!([{"0": 1_700_000_000_000_u64, "1": serde_json::from_str::<Json>("36000.123456789012345").unwrap(), "2": null},
                {"0": 1_700_003_600_000_u64, "1": serde_json::from_str::<Json>("1e3").unwrap(), "2": true}]),
        ),
        (
            Notation::Json,
            "",
            r#"["a", "😀", "\ud83d\ude00", "\ud800", null, "é\u00e9"]"#,
            vec![("value", Text)],
            json!([{"value": "a"}, {"value": "😀"}, {"value": "😀"}, {"value": "\"\\ud800\""}, {"value": null}, {"value": "éé"}]),
        ),
        (
            Notation::Json,
            "",
            r#"{"a": 1, "a": 2}"#,
            vec![("a", Number)],
            json!([{"a": 2}]),
        ),
        (
            Notation::Ndjson,
            "",
            "{\"a\": 1}\r\n\n{\"a\": \"x\"}\nnull\n{\"a\": true}",
            vec![("a", Text)],
            json!([{"a": "1"}, {"a": "x"}, {"a": "true"}]),
        ),
        (
            Notation::Csv,
            "",
            "\u{feff}a,b\n1,\"x\ny\"\n,\"\"\n",
            vec![("a", Text), ("b", Text)],
            json!([{"a": "1", "b": "x\ny"}, {"a": null, "b": ""}]),
        ),
        (
            Notation::Text,
            "",
            "one\r\n\nthree",
            vec![("value", Text)],
            json!([{"value": "one"}, {"value": ""}, {"value": "three"}]),
        ),
        (
            Notation::Raw,
            "",
            "a\u{1}",
            vec![("value", Text)],
            json!([{"value": "\\x6101"}]),
        ),
    ] {
        for size in 1..=text.len() {
            let decoding = Decoding::of(path(records), Wanted::All);
            let out = decode(decoding, &[(document("d", notation), text)], size).await;
            assert_eq!(out.failure, None, "{text}");
            let found: Vec<(&str, ColumnKind)> = out
                .columns
                .iter()
                .map(|(name, kind)| (name.as_str(), *kind))
                .collect();
            assert_eq!(found, columns, "{text}");
            assert_eq!(
                Json::Array(out.rows),
                expected,
                "{text} in pieces of {size}"
            );
        }
    }
}

#[tokio::test]
async fn documents_are_one_stream() {
    let mut decoding = Decoding::of(path("r"), Wanted::All);
    decoding.beside = 100;
    decoding.extra = [Column {
        name: "tick".into(),
        kind: ColumnKind::Number,
    }]
    .into();
    let page = |tick: &str| Document {
        extra: vec![Some(tick.as_bytes().to_vec())],
        ..document(&format!("page {tick}"), Notation::Json)
    };
    let out = decode(
        decoding,
        &[
            (page("1"), r#"{"r": [], "next": "a"}"#),
            (page("2"), r#"{"r": [{"x": 1}, {"x": null, "tick": 9}]}"#),
            (page("3"), r#"{"r": [{"x": 3}], "next": null}"#),
        ],
        5,
    )
    .await;
    assert_eq!(
        out.rows,
        [
            json!({"x": 1, "tick": 2}),
            json!({"x": null, "tick": 2}),
            json!({"x": 3, "tick": 3})
        ]
    );
    let beside: Vec<_> = out
        .ends
        .iter()
        .map(|end| end.as_ref().unwrap().beside.as_deref().unwrap())
        .collect();
    assert_eq!(
        beside,
        [
            r#"{"r": [], "next": "a"}"#,
            r#"{"r": []}"#,
            r#"{"r": [], "next": null}"#
        ]
    );
}

#[tokio::test]
async fn a_withheld_document_leaves_all_or_nothing() {
    let held = |name: &str| Document {
        withhold: true,
        ..document(name, Notation::Json)
    };
    let out = decode(
        Decoding::of(path("r"), Wanted::All),
        &[
            (
                held("1"),
                r#"{"r": [{"x": 0}, {"x": 0}], "unwanted": true}"#,
            ),
            (held("2"), r#"{"r": [{"x": 1}]}"#),
            (held("3"), r#"{"r": [{"x": 2}, {"x": 3} {"x": 4}]}"#),
            (held("4"), r#"{"r": [{"x": 5}]}"#),
        ],
        3,
    )
    .await;
    assert_eq!(out.rows, [json!({"x": 1}), json!({"x": 5})]);
    assert!(
        out.ends[2]
            .as_ref()
            .unwrap_err()
            .contains("3: malformed JSON at offset 26"),
        "{out:?}"
    );
}

#[tokio::test]
async fn a_stream_without_records_has_the_columns_that_are_wanted() {
    let keys = Wanted::Keys {
        keys: vec!["a".to_owned()],
        perhaps: vec!["b".to_owned()],
    };
    let out = decode(
        Decoding::of(path(""), keys),
        &[(document("d", Notation::Json), "[]")],
        1,
    )
    .await;
    assert_eq!(out.columns, [("a".to_owned(), ColumnKind::Text)]);
    assert_eq!(out.failure, None);
}

#[tokio::test]
async fn mistakes_name_document_and_record() {
    for (text, wanted, expected) in [
        (
            r#"[{"a": 1}, {"a": 2}, }]"#,
            Wanted::All,
            "d: malformed JSON at offset 21 (line 1, column 22): expected a value: `[{\"a\": 1}, {\"a\": 2}, ⟶}]`",
        ),
        (
            r#"[{"a": 1}"#,
            Wanted::All,
            "d: the document ends too early, at offset 9 (line 1, column 10): expected `,` or `]`",
        ),
    ] {
        let out = decode(
            Decoding::of(path(""), wanted),
            &[(document("d", Notation::Json), text)],
            100,
        )
        .await;
        assert_eq!(out.failure.as_deref(), Some(expected));
    }
    // The columns are settled by the first documents.
    let out = decode(
        Decoding::of(path(""), Wanted::All),
        &[
            (document("one", Notation::Json), r#"[{"a": 1}]"#),
            (
                document("two", Notation::Json),
                r#"[{"a": 1}, {"a": 1}, {"b": 2}]"#,
            ),
        ],
        100,
    )
    .await;
    assert_eq!(
        out.failure.as_deref(),
        Some(
            "two:3: key `b` is new, no earlier record has it: name the keys to take under `columns:`"
        )
    );
}

/// A record as the oracle has it: the last of doubled keys, numbers as they are written.
fn record() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|text| serde_json::from_str(&text).unwrap()),
        any::<String>().prop_map(Json::String),
        Just(json!([1, {"a": "}]\""}])),
    ];
    prop::collection::vec(("[a-d\"\\\\é]{1,2}", leaf), 0..6)
        .prop_map(|entries| Json::Object(entries.into_iter().collect()))
}

proptest! {
    #[test]
    fn rows_are_those_of_the_oracle(records in prop::collection::vec(record(), 0..30), size in 1usize..50, pretty: bool) {
        let document_text = if pretty {
            serde_json::to_string_pretty(&records).unwrap()
        } else {
            serde_json::to_string(&records).unwrap()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let out = runtime.block_on(decode(
            Decoding::of(path(""), Wanted::All),
            &[(document("d", Notation::Json), &document_text)],
            size,
        ));
        prop_assert_eq!(out.failure, None);
        // Records without any key have no columns, and rows without columns can't be told apart.
        prop_assume!(!out.columns.is_empty());
        prop_assert_eq!(out.rows.len(), records.len());
        for (row, record) in out.rows.iter().zip(&records) {
            for (name, kind) in &out.columns {
                let expected = record.get(name).unwrap_or(&Json::Null);
                let found = &row[name];
                // In a column of texts other values are their notation.
                let same = found == expected
                    || (*kind == ColumnKind::Text && found.as_str() == Some(&expected.to_string()));
                prop_assert!(same, "{}: {} is not {}", name, found, expected);
            }
        }
    }
}

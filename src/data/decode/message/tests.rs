use super::{MessageDecoder, MessageFormat};
use crate::data::ColumnKind::{self, Boolean, Json, Number, Text};
use crate::data::csv::CsvDialect;
use crate::data::ndjson::Wanted;

fn decoder(format: MessageFormat, wanted: Wanted, fields: &[&str]) -> MessageDecoder {
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    MessageDecoder::new(format, wanted, &fields, CsvDialect::default())
}

/// A segment: its columns, and its rows with NULL as `-`.
type Expected<'a> = (&'a [(&'a str, ColumnKind)], &'a [&'a str]);

/// Checks the segments of messages.
fn check(mut decoder: MessageDecoder, messages: &[&str], expected: &[Expected<'_>]) {
    let mut mistakes = Vec::new();
    for message in messages {
        if let Err(reason) = decoder.add(Some(message.as_bytes()), &|| r#"{"offset":7}"#.into()) {
            mistakes.push(reason);
        }
    }
    let segments = decoder.take();
    let found: Vec<_> = segments
        .iter()
        .map(|segment| {
            let columns: Vec<_> = segment
                .columns
                .iter()
                .map(|column| (&*column.name, column.kind))
                .collect();
            let rows: Vec<String> = segment
                .batches
                .iter()
                .flat_map(|batch| (0..batch.rows()).map(move |row| batch.row(row)))
                .map(|row| {
                    let cells: Vec<_> = row
                        .map(|cell| String::from_utf8_lossy(cell.unwrap_or(b"-")))
                        .collect();
                    cells.join("|")
                })
                .collect();
            (columns, rows)
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(columns, rows)| {
            let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
            (columns.to_vec(), rows)
        })
        .collect();
    assert_eq!(found, expected, "{mistakes:?}");
}

fn keys(keys: &[&str], perhaps: &[&str]) -> Wanted {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Wanted::Keys {
        keys: owned(keys),
        perhaps: owned(perhaps),
    }
}

#[test]
fn numbers_keep_their_digits_and_new_columns_begin_a_segment() {
    check(
        decoder(MessageFormat::Json, Wanted::All, &[]),
        &[
            r#"{"a": 1.2300, "b": "x"}"#,
            r#"{"b": "y", "a": 2}"#,
            r#"{"a": 3, "c": true}"#,
            r#"[{"a": "four"}, {"a": [5], "a": {"k": "v"}}]"#,
        ],
        &[
            (&[("a", Number), ("b", Text)], &["1.2300|x", "2|y"]),
            (&[("a", Number), ("b", Text), ("c", Boolean)], &["3|-|true"]),
            (
                &[("a", Json), ("b", Text), ("c", Boolean)],
                &["\"four\"|-|-", "{\"k\": \"v\"}|-|-"],
            ),
        ],
    );
}

#[test]
fn only_what_is_wanted_is_taken() {
    check(
        decoder(MessageFormat::Json, keys(&["b", "kafka"], &["d.e"]), &[]),
        &[
            r#"{"a": 1, "b": 2, "kafka": "mine"}"#,
            r#"{"d.e": null}"#,
            r#"{"d.e": 3}"#,
        ],
        &[
            (&[("b", Number), ("kafka", Json)], &["2|{\"offset\":7}"]),
            (
                &[("b", Number), ("kafka", Json), ("d.e", Text)],
                &["-|{\"offset\":7}|-"],
            ),
            (
                &[("b", Number), ("kafka", Json), ("d.e", Number)],
                &["-|{\"offset\":7}|3"],
            ),
        ],
    );
}

#[test]
fn of_a_message_that_cannot_be_read_nothing_is_taken() {
    let mut decoder = decoder(MessageFormat::Json, Wanted::All, &[]);
    let about = || String::new();
    for (message, reason) in [
        (
            Some("no json"),
            "no JSON object: expected ident at column 2",
        ),
        (
            Some("7"),
            "no JSON object: invalid type: integer `7`, expected a JSON object at column 1",
        ),
        (
            Some(r#"[{"a": 1}, 2]"#),
            "item 1: no JSON object: invalid type: integer `2`, expected a JSON object at column 1",
        ),
        (
            Some(r#"{"a": NaN}"#),
            "no JSON object: expected value at column 7",
        ),
        (None, "the message has no value"),
    ] {
        let found = decoder.add(message.map(str::as_bytes), &about);
        assert_eq!(found, Err(reason.to_owned()), "{message:?}");
    }
    assert!(decoder.take().is_empty());
    assert_eq!(decoder.add(Some(b"[]"), &about), Ok(0));
    assert_eq!(decoder.add(Some(br#"{"b": 1}"#), &about), Ok(1));
    assert_eq!(decoder.take()[0].rows(), 1);
}

#[test]
fn the_other_formats_are_read() {
    check(
        decoder(MessageFormat::Ndjson, Wanted::All, &[]),
        &["{\"a\": 1}\n\n{\"a\": 2}\n", "{\"a\": 1}\n{"],
        &[(&[("a", Number)], &["1", "2"])],
    );
    check(
        decoder(MessageFormat::Csv, keys(&["b", "kafka"], &[]), &["a", "b"]),
        &["1,\"x, y\"\n2,\n", "1", "1,2,3"],
        &[(
            &[("b", Text), ("kafka", Json)],
            &["x, y|{\"offset\":7}", "-|{\"offset\":7}"],
        )],
    );
    check(
        decoder(MessageFormat::Text, Wanted::All, &[]),
        &["hi\n"],
        &[(&[("value", Text)], &["hi\n"])],
    );
    check(
        decoder(MessageFormat::Raw, Wanted::All, &[]),
        &["hi\n"],
        &[(&[("value", Text)], &["\\x68690a"])],
    );
}

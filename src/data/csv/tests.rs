//! What is read is what was written, and what can't be read is named.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::data::{
    BatchBuilder, Column, Columns, Compression, DataError, FileSource, InputFile, InputFiles,
    LocalFiles, PackedFile, Reading, RecordSource, Rejects, Unpacking,
};

type Row = Vec<Option<String>>;

fn files(folder: &Path, names: &[&str]) -> InputFiles {
    InputFiles {
        store: std::sync::Arc::new(LocalFiles),
        files: names
            .iter()
            .map(|name| InputFile {
                path: folder.join(name),
                shown: name.into(),
            })
            .collect(),
        unpacking: Unpacking::default(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

async fn rows(source: &mut dyn RecordSource) -> Result<Vec<Row>, DataError> {
    let mut rows = Vec::new();
    while let Some(batch) = source.next().await? {
        for row in 0..batch.rows() {
            let text =
                |cell: Option<&[u8]>| cell.map(|cell| String::from_utf8(cell.to_vec()).unwrap());
            rows.push(batch.row(row).map(text).collect());
        }
    }
    Ok(rows)
}

fn read(files: InputFiles, dialect: CsvDialect) -> Result<(Vec<String>, Vec<Row>), DataError> {
    run(async {
        let mut source = FileSource::open(files, Reading::Csv(dialect), None).await?;
        let names = source
            .columns()
            .iter()
            .map(|column| column.name.to_string())
            .collect();
        Ok((names, rows(&mut source).await?))
    })
}

fn read_text(text: impl AsRef<[u8]>, dialect: CsvDialect) -> Result<Vec<Row>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), text).unwrap();
    read(files(folder.path(), &["a.csv"]), dialect).map(|(_, rows)| rows)
}

fn row(cells: &[Option<&str>]) -> Row {
    cells.iter().map(|cell| cell.map(str::to_owned)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_come_back_as_they_were(
        rows in (1..5usize).prop_flat_map(|width| {
            let cell = proptest::option::of("[a,\"\n\r\\\\.é ]{0,6}");
            proptest::collection::vec(proptest::collection::vec(cell, width), 1..20)
        }),
    ) {
        let columns: Columns =
            (0..rows[0].len()).map(|at| Column::text(&format!("c{at}"))).collect();
        let mut builder = BatchBuilder::new(columns.clone());
        for cell in rows.iter().flatten() {
            builder.push(cell.as_ref().map(String::as_bytes));
        }
        let mut text = Vec::new();
        encode_header(&columns, &mut text);
        encode_batch(&builder.take(), &mut text);
        prop_assert_eq!(read_text(&text, CsvDialect::default()).unwrap(), rows);
    }
}

#[test]
fn fields_are_read_as_postgres_reads_them() {
    let (x, null) = (Some("x"), None);
    for (text, expected) in [
        ("a,b\nx,\n", vec![row(&[x, null])]),
        ("a,b\nx,\"\"\n", vec![row(&[x, Some("")])]),
        ("a,b\r\nx,x\r\n", vec![row(&[x, x])]),
        ("a,b\nx,x", vec![row(&[x, x])]),
        ("a,b\n", vec![]),
        ("a,b", vec![]),
        ("a\n\nx\n", vec![row(&[null]), row(&[x])]),
        (
            "a,b\n\"1\n2\",\"q\"\"q\"\n",
            vec![row(&[Some("1\n2"), Some("q\"q")])],
        ),
        ("a,b\n\"x\"y, z \n", vec![row(&[Some("xy"), Some(" z ")])]),
        ("a,b\nx\"y,z\"w,x\n", vec![row(&[Some("xy,zw"), x])]),
        ("\u{feff}a,b\nx,x\n", vec![row(&[x, x])]),
    ] {
        assert_eq!(
            read_text(text, CsvDialect::default()).unwrap(),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn settings_are_obeyed() {
    let dialect = CsvDialect {
        delimiter: b';',
        quote: b'\'',
        header: false,
        columns: Some(vec!["a".into(), "b".into()]),
        null: "NULL".into(),
    };
    assert_eq!(
        read_text("NULL;'NULL'\n;'it''s; ok'\n", dialect.clone()).unwrap(),
        [
            row(&[None, Some("NULL")]),
            row(&[Some(""), Some("it's; ok")])
        ]
    );
    assert_eq!(
        dialect.copy_options().as_deref(),
        Some("FORMAT csv, HEADER true, DELIMITER ';', QUOTE '''', NULL 'NULL'")
    );
}

#[test]
fn mistakes_are_named_with_file_line_column_and_value() {
    for (text, expected) in [
        (
            &b"a,b\n1,2\n3\n"[..],
            "a.csv:3: 1 field, expected 2 (`a`, `b`)",
        ),
        (
            b"a,b\n\"1\n1\",2\n1,2,3\n",
            "a.csv:4: 3 fields, expected 2 (`a`, `b`)",
        ),
        (
            b"a,b\n1,caf\xe9\n",
            "a.csv:2: column `b`: not UTF-8: set `encoding:` to the file's own: `caf\u{fffd}`",
        ),
        (b"a,b\n1,\"2\n", "a.csv:2: a quote is never closed"),
        (
            b"a,b\n1\r,2\n",
            "a.csv:2: a carriage return stands outside of quotes",
        ),
        (b"a,a\n", "a.csv:1: two columns are named `a`"),
        (
            b"",
            "a.csv:1: the file is empty: expected a line with the names of the columns",
        ),
    ] {
        let error = read_text(text, CsvDialect::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn rejects_are_kept_apart_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "a,b\n1,2\n3\n4,5\n\"6\r,7\n").unwrap();
    let rejects = Rejects::create(Some(folder.path().join("r.csv"))).unwrap();
    let good = run(async {
        let reading = Reading::Csv(CsvDialect::default());
        let files = files(folder.path(), &["a.csv"]);
        let mut source = FileSource::open(files, reading, Some(rejects.clone())).await?;
        let good = rows(&mut source).await;
        assert_eq!(source.place(1).unwrap().line, 4);
        good
    });
    // A quote that never ends takes all that follows: reading can't go on behind it.
    assert!(good.unwrap_err().to_string().contains("never closed"));
    assert_eq!(rejects.count(), 1);
    rejects.finish().unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.path().join("r.csv")).unwrap(),
        "file,line,column,value,reason,record\na.csv,3,,,\"1 field, expected 2 (`a`, `b`)\",3\n"
    );
}

#[test]
fn encodings_are_decoded() {
    let utf16 = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let expected = [row(&[Some("café"), Some("日")])];
    for (bytes, encoding) in [
        ("a,b\ncafé,日\n".as_bytes().to_vec(), encoding_rs::UTF_8),
        (
            [vec![0xff, 0xfe], utf16("a,b\ncafé,日\n")].concat(),
            encoding_rs::UTF_8,
        ),
        (utf16("a,b\ncafé,日\n"), encoding_rs::UTF_16LE),
        (
            encoding_rs::SHIFT_JIS
                .encode("a,b\ncafe,日\n")
                .0
                .into_owned(),
            encoding_rs::SHIFT_JIS,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), bytes).unwrap();
        let mut files = files(folder.path(), &["a.csv"]);
        files.unpacking.encoding = encoding;
        let (_, mut found) = read(files, CsvDialect::default()).unwrap();
        if encoding == encoding_rs::SHIFT_JIS {
            found[0][0] = Some("café".to_owned());
        }
        assert_eq!(found, expected, "{}", encoding.name());
    }
    assert_eq!(
        {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("a.csv"), b"a\ncaf\xe9\n").unwrap();
            let mut files = files(folder.path(), &["a.csv"]);
            files.unpacking.encoding = encoding_rs::WINDOWS_1252;
            read(files, CsvDialect::default()).unwrap().1
        },
        [row(&[Some("café")])]
    );
}

#[test]
fn long_files_in_every_packing_keep_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("a,b\n");
    for line in 0..60_000 {
        text += &match line % 7 {
            0 => format!("{line},\"x\ny\"\n"),
            _ => format!("{line},plain text\n"),
        };
    }
    text += "bad\n";
    let bad_line = text.matches('\n').count();
    for name in ["a.csv", "a.csv.gz", "a.csv.zst"] {
        let path = folder.path().join(name);
        let mut file = PackedFile::create(&path, Compression::of(&path)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
        let error = read(files(folder.path(), &[name]), CsvDialect::default()).unwrap_err();
        let expected = format!("{name}:{bad_line}: 1 field, expected 2 (`a`, `b`)");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn several_files_are_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.csv", "a,b\n1,2");
    write("b.csv", "a,b\n3,4\n");
    write("c.csv", "a,c\n5,6\n");
    let (names, found) = read(
        files(folder.path(), &["a.csv", "b.csv"]),
        CsvDialect::default(),
    )
    .unwrap();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        found,
        [row(&[Some("1"), Some("2")]), row(&[Some("3"), Some("4")])]
    );
    let error = read(
        files(folder.path(), &["a.csv", "c.csv"]),
        CsvDialect::default(),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.csv:1: the columns are `a`, `c`, those of `a.csv` are `a`, `b`"
    );
}

async fn raw(files: InputFiles) -> Result<Option<(String, RawLines)>, DataError> {
    let Some(mut raw) = RawCsv::open(files, CsvDialect::default()).await? else {
        return Ok(None);
    };
    let mut text = String::new();
    if raw.read_to_string(&mut text).await.is_err() {
        return Err(raw.take_failure().unwrap());
    }
    Ok(Some((text, raw.lines().clone())))
}

#[test]
fn bytes_pass_through_without_headers() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.csv", "a,b\n1,\"2\n3\"");
    write("b.csv", "\u{feff}a,b\n4,5\n\\.\n\"\n\\.\n\",6\n");
    write("crlf.csv", "a,b\r\n7,8\r\n");
    write("open.csv", "a,b\n1,\"2\n");
    let (text, lines) = run(raw(files(folder.path(), &["a.csv", "b.csv"])))
        .unwrap()
        .unwrap();
    assert_eq!(text, "-\n1,\"2\n3\"\n4,5\n\"\\.\"\n\"\n\\.\n\",6\n");
    for (line, file, expected) in [
        (2, "a.csv", 2),
        (3, "a.csv", 3),
        (4, "b.csv", 2),
        (6, "b.csv", 4),
    ] {
        let place = lines.find(line).unwrap();
        assert_eq!(
            (place.file.to_str(), place.line),
            (Some(file), expected),
            "{line}"
        );
    }
    assert!(
        run(raw(files(folder.path(), &["a.csv", "crlf.csv"])))
            .unwrap()
            .is_none()
    );
    let error = run(raw(files(folder.path(), &["open.csv"]))).err().unwrap();
    assert_eq!(error.to_string(), "open.csv:1: a quote is never closed");
}

/// However long the files are, readers are at most this far ahead of what is taken from them.
const AHEAD: u64 = 4 * 1024 * 1024;

#[test]
fn a_million_rows_are_never_in_memory_at_once() {
    use std::sync::atomic::Ordering;
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("id,a,b,c\n");
    for id in 0..1_000_000 {
        text += &format!("{id},2020-08-20 00:00:00,{id}.50,some text\n");
    }
    std::fs::write(folder.path().join("a.csv"), &text).unwrap();
    let length = text.len() as u64;
    drop(text);
    let input = files(folder.path(), &["a.csv"]);
    let read = input.unpacking.bytes_read.clone();
    let (rows, taken) = run(async {
        let reading = Reading::Csv(CsvDialect::default());
        let mut source = FileSource::open(input, reading, None).await.unwrap();
        let (mut rows, mut taken) = (0, 0);
        while let Some(batch) = source.next().await.unwrap() {
            rows += batch.rows();
            // Delimiters and line ends aren't part of a batch.
            taken += (batch.bytes() + 4 * batch.rows()) as u64;
            assert!(read.load(Ordering::Relaxed) < taken + AHEAD);
        }
        (rows, taken)
    });
    assert_eq!(
        (rows, taken),
        (1_000_000, length - "id,a,b,c\n".len() as u64)
    );

    let input = files(folder.path(), &["a.csv"]);
    let read = input.unpacking.bytes_read.clone();
    run(async {
        let mut raw = RawCsv::open(input, CsvDialect::default())
            .await
            .unwrap()
            .unwrap();
        let mut buffer = vec![0; 1 << 16];
        let mut taken = 0;
        loop {
            let count = raw.read(&mut buffer).await.unwrap();
            taken += count as u64;
            assert!(read.load(Ordering::Relaxed) < taken + AHEAD);
            if count == 0 {
                break;
            }
        }
        assert!(taken > length - 10);
    });
}

//! A file after any number of revisions is what a list of rows would be.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::{FileMode, Layout, Revised, Revision};
use crate::data::{
    BatchBuilder, Column, ColumnKind, Columns, Compression, DataError, Format, Packer, Spool,
};

type Row = [Option<String>; 3];

fn columns() -> Columns {
    let text = |name: &str| Column::text(name);
    let number = Column {
        name: "n".into(),
        kind: ColumnKind::Number,
    };
    [text("a"), number, text("b, \"quoted\"")].into()
}

struct Scene {
    folder: tempfile::TempDir,
    layout: Arc<Layout>,
}

impl Scene {
    fn new(mode: FileMode, format: Format, compression: Compression) -> Self {
        let key = match mode {
            FileMode::Upsert => vec!["n".to_owned(), "a".to_owned()],
            _ => Vec::new(),
        };
        let layout = Layout::new(columns(), format, compression, mode, &key).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            layout: Arc::new(layout),
        }
    }

    fn revise(&self, rows: &[Row], memory: usize) -> Result<Revised, DataError> {
        let mut spool = Spool::new(self.folder.path(), memory);
        spool.add_target();
        let mut builder = BatchBuilder::new(columns());
        for cell in rows.iter().flatten() {
            builder.push(cell.as_deref().map(str::as_bytes));
        }
        let batch = builder.take();
        for row in 0..batch.rows() {
            spool.add(0, |buffer| self.layout.encode(&batch, row, buffer));
            spool.relieve().unwrap();
        }
        let revision = Revision {
            layout: self.layout.clone(),
            piece: spool.take().remove(0),
            folder: self.folder.path().to_owned(),
        };
        let path = self.folder.path().join("file");
        let old = File::open(&path).ok();
        let mut new = Vec::new();
        let revised = revision.apply(old.as_ref(), Path::new("x.csv"), &mut new)?;
        std::fs::write(path, new).unwrap();
        Ok(revised)
    }

    fn text(&self) -> String {
        let packed = File::open(self.folder.path().join("file")).unwrap();
        let mut text = String::new();
        self.layout
            .compression
            .reader(packed)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// What a file of these rows is.
    fn expected(&self, rows: &[Row]) -> String {
        let layout = Layout::new(
            columns(),
            self.layout.format,
            Compression::None,
            FileMode::Append,
            &[],
        )
        .unwrap();
        let mut builder = BatchBuilder::new(columns());
        for cell in rows.iter().flatten() {
            builder.push(cell.as_deref().map(str::as_bytes));
        }
        let batch = builder.take();
        let mut text = layout.header();
        for row in 0..batch.rows() {
            layout.encode(&batch, row, &mut text);
        }
        String::from_utf8(text).unwrap()
    }
}

/// The rows of a file as the mode means it.
fn model(mode: FileMode, file: &mut Vec<Row>, rows: &[Row]) {
    match mode {
        FileMode::Replace => *file = rows.to_vec(),
        FileMode::Append => file.extend_from_slice(rows),
        FileMode::Upsert => {
            for row in rows {
                let found = file.iter_mut().find(|old| old[..2] == row[..2]);
                match found {
                    Some(old) => *old = row.clone(),
                    None => file.push(row.clone()),
                }
            }
        }
    }
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof![
        Just(None),
        "[a-c]?".prop_map(Some),
        "[\",\n\r é\\\\]{0,3}".prop_map(Some),
    ];
    let number = prop_oneof![Just(None), (0..5u8).prop_map(|n| Some(n.to_string()))];
    let long = prop_oneof!["[x-z]{0,40}".prop_map(Some), Just(None)];
    (text, number, long).prop_map(|(a, n, b)| [a, n, b])
}

fn mode() -> impl Strategy<Value = FileMode> {
    prop_oneof![
        Just(FileMode::Replace),
        Just(FileMode::Append),
        Just(FileMode::Upsert)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_file_is_what_its_model_is(
        mode in mode(),
        csv in any::<bool>(),
        packed in 0..3usize,
        memory in prop_oneof![Just(10), Just(1 << 20)],
        runs in prop::collection::vec(prop::collection::vec(row(), 0..30), 1..5),
    ) {
        let format = if csv { Format::Csv } else { Format::Ndjson };
        let compression = [Compression::None, Compression::Gzip, Compression::Zstd][packed];
        let scene = Scene::new(mode, format, compression);
        let mut file = Vec::new();
        for rows in &runs {
            let before = file.len();
            model(mode, &mut file, rows);
            let revised = scene.revise(rows, memory).unwrap();
            prop_assert_eq!(scene.text(), scene.expected(&file));
            if mode == FileMode::Upsert {
                prop_assert_eq!(revised.added, (file.len() - before) as u64);
                // The same again changes nothing.
                scene.revise(rows, memory).unwrap();
                prop_assert_eq!(scene.text(), scene.expected(&file));
            }
        }
    }
}

fn abc(a: &str) -> Row {
    [Some(a.to_owned()), Some("1".to_owned()), None]
}

#[test]
fn a_file_of_somebody_else_is_gone_on_with() {
    let header = "a,n,\"b, \"\"quoted\"\"\"";
    for (old, mode, expected) in [
        (
            format!("{header}\nx,2,y"),
            FileMode::Append,
            Ok("x,2,y\nk,1,\n"),
        ),
        (
            format!("{header}\r\nx,2,y\r\nk,1,z\r\n"),
            FileMode::Upsert,
            Ok("x,2,y\nk,1,\n"),
        ),
        (
            format!("\u{feff}{header}\nk,1,a\nx,2,y\nk,1,b\n"),
            FileMode::Upsert,
            Ok("k,1,\nx,2,y\n"),
        ),
        (String::new(), FileMode::Append, Ok("k,1,\n")),
        (
            "a,n\nx,2\n".to_owned(),
            FileMode::Append,
            Err(
                "x.csv:1: the columns of the file are `a`, `n`, those of the records `a`, `n`, `b, \"quoted\"`: give them the same with `columns:`, or write another file",
            ),
        ),
        (
            format!("{header}\nx,2\n"),
            FileMode::Upsert,
            Err("x.csv:2: 2 fields, expected 3"),
        ),
    ] {
        let scene = Scene::new(mode, Format::Csv, Compression::None);
        std::fs::write(scene.folder.path().join("file"), &old).unwrap();
        let revised = scene.revise(&[abc("k")], 1 << 20);
        match expected {
            Ok(expected) => {
                revised.unwrap();
                let text = scene.text();
                let rows = text.strip_prefix('\u{feff}').unwrap_or(&text);
                assert_eq!(
                    rows.strip_prefix(header).unwrap().trim_start(),
                    expected,
                    "{old:?}"
                );
            }
            Err(message) => assert_eq!(revised.unwrap_err().to_string(), message),
        }
    }
}

#[test]
fn a_damaged_archive_is_not_gone_on_with() {
    let scene = Scene::new(FileMode::Append, Format::Csv, Compression::Gzip);
    let mut packer = Packer::new(Vec::new(), Compression::Gzip).unwrap();
    packer
        .write_all(b"a,n,\"b, \"\"quoted\"\"\"\nx,2,y\n")
        .unwrap();
    let mut bytes = packer.finish().unwrap();
    bytes.truncate(bytes.len() - 6);
    std::fs::write(scene.folder.path().join("file"), bytes).unwrap();
    assert!(scene.revise(&[abc("k")], 1 << 20).is_err());
}

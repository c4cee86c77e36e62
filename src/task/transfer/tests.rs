//! Mappings, without a database.

use serde_json::{Value as Json, json};

use super::columns::{Field, FieldValue, Formula, Mapping};
use super::mapped::Mapped;
use super::path::Path;
use crate::data::{
    Batch, BatchBuilder, Column, ColumnKind, Columns, DataError, Place, RecordSource, Rejects,
};
use crate::document::{SourceId, Span};
use crate::template::{Scope, Template};

/// Rows in batches of two.
struct Rows {
    columns: Columns,
    cells: Vec<Vec<Option<&'static str>>>,
    at: usize,
}

#[async_trait::async_trait]
impl RecordSource for Rows {
    fn columns(&self) -> &Columns {
        &self.columns
    }
    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let mut builder = BatchBuilder::new(self.columns.clone());
        for row in self.cells.iter().skip(self.at).take(2) {
            for cell in row {
                builder.push(cell.map(str::as_bytes));
            }
        }
        self.at += 2;
        Ok((!builder.is_empty()).then(|| builder.take()))
    }
    fn place(&self, row: u64) -> Option<Place> {
        Some(Place {
            file: "f".into(),
            line: row + 1,
        })
    }
}

fn rows() -> Rows {
    let columns = [
        ("id", ColumnKind::Text),
        ("ask", ColumnKind::Text),
        ("bid", ColumnKind::Number),
        ("market", ColumnKind::Json),
    ];
    let column = |(name, kind): (&str, ColumnKind)| Column {
        name: name.into(),
        kind,
    };
    let row = |id, ask, bid, market| vec![Some(id), ask, Some(bid), Some(market)];
    Rows {
        columns: columns.map(column).into(),
        cells: vec![
            row("1", Some("4"), "3", r#"{"name":"A","n":[1.50]}"#),
            row("2", None, "3", r#"{"name":null}"#),
            row("x", Some("5"), "4", r#"{"name":"B","n":[2]}"#),
            row("4", Some("8"), "6", r#"{"name":"C","n":[]}"#),
            row("5", Some("8"), "2", r#"{"name":7}"#),
        ],
        at: 0,
    }
}

fn formula(text: &str, bare: bool, columns: &[&str]) -> Formula {
    Formula {
        template: if bare {
            Template::expression(text).unwrap()
        } else {
            Template::parse(text).unwrap()
        },
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn field(target: &str, value: FieldValue) -> Field {
    Field {
        target: target.to_owned(),
        place: Span::new(SourceId(0), 0..0),
        value,
        r#type: None,
        required: false,
    }
}

fn path(text: &str) -> FieldValue {
    FieldValue::Path(Path::parse(text).unwrap())
}

/// The kinds of the columns, and all rows as JSON.
async fn map(
    mapping: &Mapping,
    rejects: Option<Rejects>,
) -> Result<(Vec<ColumnKind>, Vec<Json>), String> {
    let mut source = rows();
    let scope = Scope::default().with("params", &json!({ "factor": 100 }));
    let mut mapped = Mapped::open(&mut source, mapping, scope, rejects)
        .await
        .map_err(|failure| failure.cause.message.to_string())?;
    let kinds = mapped.columns().iter().map(|column| column.kind).collect();
    let mut found = Vec::new();
    while let Some(batch) = mapped.next().await.map_err(|error| error.to_string())? {
        found.extend((0..batch.rows()).map(|row| Json::Object(batch.row_as_json(row))));
    }
    Ok((kinds, found))
}

#[tokio::test]
async fn records_are_mapped_and_filtered() {
    let mapping = Mapping {
        fields: Some(vec![
            field("id", path("id")),
            field("name", path("market.name")),
            field("n", path("market.n[0]")),
            field(
                "spread",
                FieldValue::Formula(formula(
                    "{{ (ask - bid) * params.factor }}",
                    false,
                    &["ask", "bid"],
                )),
            ),
        ]),
        filter: Some(formula("ask and ask > 4 or id == 1", true, &["ask", "id"])),
    };
    let (kinds, found) = map(&mapping, None).await.unwrap();
    let (text, number) = (ColumnKind::Text, ColumnKind::Number);
    assert_eq!(kinds, [text, text, number, number]);
    let expected: Json = serde_json::from_str(
        r#"[
            {"id": "1", "name": "A", "n": 1.50, "spread": 100},
            {"id": "x", "name": "B", "n": 2, "spread": 100},
            {"id": "4", "name": "C", "n": null, "spread": 200},
            {"id": "5", "name": "7", "n": null, "spread": 600}
        ]"#,
    )
    .unwrap();
    assert_eq!(Json::from(found), expected);
}

#[tokio::test]
async fn values_that_dont_fit_are_named_or_left_out() {
    let mapping = Mapping {
        fields: Some(vec![Field {
            r#type: Some(super::cell_type::CellType::Integer),
            ..field("number", path("id"))
        }]),
        filter: None,
    };
    assert_eq!(
        map(&mapping, None).await.unwrap_err(),
        "f:3: column `number`: no integer: `x`"
    );
    let rejects = Rejects::create(None).unwrap();
    let (_, found) = map(&mapping, Some(rejects.clone())).await.unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(rejects.count(), 1);
}

#[tokio::test]
async fn unknown_columns_have_a_nearest_name() {
    for (value, expected) in [
        (
            path("markt.name"),
            "the records have no `markt`: did you mean `market`?",
        ),
        (
            FieldValue::Formula(formula("{{ zzzzz }}", false, &["zzzzz"])),
            "the records have no `zzzzz`: they have `id`, `ask`, `bid`, `market`",
        ),
        (
            path("market.name.x"),
            "f:1: column `c`: has no part `x`: `{\"name\":\"A\",\"n\":[1.50]}`",
        ),
    ] {
        let mapping = Mapping {
            fields: Some(vec![field("c", value)]),
            filter: None,
        };
        assert_eq!(map(&mapping, None).await.unwrap_err(), expected);
    }
}

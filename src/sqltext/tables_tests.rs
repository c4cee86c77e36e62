//! Definitions of tables, as scripts make them.

use super::*;

/// Each change as a line.
fn check(dialect: Dialect, text: &str, expected: &[&str]) {
    let script = Script::parse(&text.into(), dialect);
    let name = |name: &TableName| match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    };
    let column = |column: &ColumnDefinition| {
        let required = if column.required { "!" } else { "" };
        let computed = if column.generated { "=" } else { "" };
        assert_eq!(
            text[column.range.clone()].trim_matches('"').to_lowercase(),
            column.name.to_lowercase()
        );
        format!("{}{required}{computed} {}", column.name, column.type_name)
    };
    let found: Vec<String> = table_changes(&script)
        .iter()
        .map(|change| match change {
            TableChange::Create(table) => {
                let columns: Vec<String> = table.columns.iter().map(column).collect();
                let like: Vec<String> = table.like.iter().map(name).collect();
                let open = if table.complete { "" } else { " …" };
                format!(
                    "{}({}) {}{open}",
                    name(&table.name),
                    columns.join(", "),
                    like.join(" ")
                )
                .trim_end()
                .to_owned()
            }
            TableChange::Add(table, added) => format!("{} + {}", name(table), column(added)),
            TableChange::Unclear(table) => format!("{} ?", name(table)),
            TableChange::SearchPath => "path".to_owned(),
            TableChange::Code(code) => format!("code {}", code.len()),
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn definitions_are_read() {
    for (text, expected) in [
        (
            "create table if not exists T (id int primary key, \"Day\" date not null, n numeric(20, 8) default 0 not null, note text)",
            &["t(id! int, Day! date, n numeric(20, 8), note text)"][..],
        ),
        (
            "create table s.t (id serial primary key, a bigint generated always as identity primary key, b int generated always as (a + 1) stored, c mood not null, d varchar(3), primary key (d))",
            &["s.t(id serial, a bigint, b= int, c mood, d! varchar(3))"],
        ),
        (
            "create table target.\"user\" (x double precision not null) inherits (target.base, b); create table p partition of m for values in (1); create table l (like other including all, n timestamp with time zone not null);",
            &[
                "target.user(x! double precision) target.base b",
                "p() m",
                "l(n! timestamp with time zone) other",
            ],
        ),
        (
            "alter table t add column a int not null, add b text default 'x'; alter table only s.t drop column c; alter table t add constraint k unique (a); create table q as select 1; set search_path = target; do $$ begin end $$; create temp table w (a int); create table :\"name\" (a int)",
            &[
                "t + a! int",
                "t + b text",
                "s.t ?",
                "q ?",
                "path",
                "code 18",
            ],
        ),
        ("create table (; select 1", &[]),
    ] {
        check(Dialect::Postgres, text, expected);
    }
    check(
        Dialect::Sqlite,
        "create table Deposit (id integer not null primary key, Name text not null, k text primary key)",
        &["Deposit(id integer, Name! text, k text)"],
    );
}

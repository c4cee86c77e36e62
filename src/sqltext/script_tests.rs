use std::sync::Arc;

use super::super::{Transaction, check_syntax};
use super::*;

fn script(text: &str, dialect: Dialect) -> Script {
    Script::parse(&Arc::from(text), dialect)
}

fn statements(text: &str, dialect: Dialect) -> Vec<String> {
    let script = script(text, dialect);
    assert_eq!(script.mistakes, [], "{text}");
    script
        .statements
        .iter()
        .map(|statement| script.statement_text(statement).to_owned())
        .collect()
}

#[test]
fn scripts_are_cut_where_statements_end() {
    use Dialect::{Postgres, Sqlite};
    for (dialect, text, expected) in [
        (Postgres, "select 1; select 2", vec!["select 1", "select 2"]),
        (Postgres, " ;; -- nothing\n; /* x; */", vec![]),
        (Postgres, "-- a\nselect 1 -- b;\n; -- c", vec!["select 1"]),
        (
            Postgres,
            "select ';', \";\", E'\\';', $$;$$, $a$;$$;$a$; x",
            vec!["select ';', \";\", E'\\';', $$;$$, $a$;$$;$a$", "x"],
        ),
        (
            Postgres,
            "select 'a''; b', '\\'; x",
            vec!["select 'a''; b', '\\'", "x"],
        ),
        (
            Postgres,
            "a /* ; /* ; */ ; */ b; c",
            vec!["a /* ; /* ; */ ; */ b", "c"],
        ),
        (Sqlite, "a /* ; /* ; */ b; c", vec!["a /* ; /* ; */ b", "c"]),
        (
            Sqlite,
            "select `;`, [;], ';'; x",
            vec!["select `;`, [;], ';'", "x"],
        ),
        (
            Postgres,
            "select a$1$b; select 1",
            vec!["select a$1$b", "select 1"],
        ),
        (
            Postgres,
            "create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 2",
            vec![
                "create function f() returns int begin atomic select 1; select case when true then 1 end; end",
                "select 2",
            ],
        ),
        (
            Postgres,
            "create or replace procedure p() language sql begin atomic insert into t values (1); end; x",
            vec![
                "create or replace procedure p() language sql begin atomic insert into t values (1); end",
                "x",
            ],
        ),
        (
            Postgres,
            "begin; select 1; end; x",
            vec!["begin", "select 1", "end", "x"],
        ),
        (
            Postgres,
            "create rule r as on insert to t do (insert into u values (1); notify x); y",
            vec![
                "create rule r as on insert to t do (insert into u values (1); notify x)",
                "y",
            ],
        ),
        (
            Sqlite,
            "create temp trigger t after insert on a begin update b set c = case when 1 then 2 end; delete from d; end; x",
            vec![
                "create temp trigger t after insert on a begin update b set c = case when 1 then 2 end; delete from d; end",
                "x",
            ],
        ),
        (
            Postgres,
            "select {{ \"a;b\" }}; x",
            vec!["select {{ \"a;b\" }}", "x"],
        ),
        (
            Postgres,
            "select 'ä;ö' as \"ü;\"; x",
            vec!["select 'ä;ö' as \"ü;\"", "x"],
        ),
        (Postgres, "select 1)); x", vec!["select 1))", "x"]),
        (
            Postgres,
            "select 1\r\n;\r\nselect 2;\r\n",
            vec!["select 1", "select 2"],
        ),
    ] {
        assert_eq!(statements(text, dialect), expected, "{text}");
    }
}

#[test]
fn inline_data_belong_to_their_copy() {
    let text = "copy t from stdin;\n1\ta;b\n2\t'\n\\.\nselect 1;\ncopy u (a) from stdin with csv; -- x\n\\.\n";
    let script = script(text, Dialect::Postgres);
    assert_eq!(script.mistakes, []);
    let data: Vec<Option<&str>> = script
        .statements
        .iter()
        .map(|statement| statement.data.clone().map(|range| &text[range]))
        .collect();
    assert_eq!(data, [Some("1\ta;b\n2\t'\n"), None, Some("")]);
}

#[test]
fn what_is_no_script_is_told() {
    for (text, code, at) in [
        ("select 'a", "sql-unclosed", "'"),
        ("select 1; select \"b; c", "sql-unclosed", "\""),
        ("select $x$ a", "sql-unclosed", "$"),
        ("select /* a", "sql-unclosed", "/"),
        ("\\copy t from 'x'\nselect 1", "sql-psql-command", "\\copy"),
        (
            "copy t from stdin;\n1\n",
            "sql-unclosed",
            "copy t from stdin",
        ),
        ("copy t from stdin", "sql-no-data", "copy t from stdin"),
        ("select $1", "sql-position", "$1"),
    ] {
        let found = script(text, Dialect::Postgres).mistakes;
        let found: Vec<_> = found
            .iter()
            .map(|mistake| (mistake.code, &text[mistake.range.clone()]))
            .collect();
        assert_eq!(found, [(code, at)], "{text}");
    }
}

#[test]
fn statements_have_their_nature() {
    use Dialect::{Postgres, Sqlite};
    use Transaction::{Alone, Control, Inside};
    for (dialect, text, transaction, name) in [
        (Postgres, "VACUUM t", Alone, "vacuum"),
        (
            Postgres,
            "create unique index concurrently i on t (a)",
            Alone,
            "create unique index concurrently",
        ),
        (
            Postgres,
            "create index /* x */ concurrently on t (a)",
            Alone,
            "create index concurrently",
        ),
        (
            Postgres,
            "create index concurrently_ on t (a)",
            Inside,
            "create index",
        ),
        (
            Postgres,
            "create index i on t (concurrently)",
            Inside,
            "create index",
        ),
        (
            Postgres,
            "drop index concurrently i",
            Alone,
            "drop index concurrently",
        ),
        (Postgres, "reindex (concurrently) table t", Alone, "reindex"),
        (Postgres, "reindex table t", Inside, "reindex"),
        (
            Postgres,
            "refresh materialized view concurrently v",
            Inside,
            "refresh materialized",
        ),
        (Postgres, "alter system set a = b", Alone, "alter system"),
        (Postgres, "create database d", Alone, "create database"),
        (Postgres, "drop tablespace x", Alone, "drop tablespace"),
        (Postgres, "begin", Control, "begin"),
        (
            Postgres,
            "start transaction read only",
            Control,
            "start transaction",
        ),
        (Postgres, "commit and chain", Control, "commit"),
        (Postgres, "rollback to a", Inside, "rollback"),
        (Postgres, "rollback", Control, "rollback"),
        (Postgres, "savepoint a", Inside, "savepoint"),
        (Postgres, "do $$ begin commit; end $$", Inside, "do"),
        (Sqlite, "vacuum", Alone, "vacuum"),
        (Sqlite, "end transaction", Control, "end"),
        (
            Sqlite,
            "pragma journal_mode = wal",
            Alone,
            "pragma journal_mode",
        ),
    ] {
        let script = script(text, dialect);
        let nature = &script.statements[0].nature;
        assert_eq!(
            (nature.transaction, nature.name.as_str()),
            (transaction, name),
            "{text}"
        );
    }
    for (text, takes) in [
        ("select 1", true),
        ("(select 1)", true),
        ("with a as (select 1) delete from t", true),
        ("create table t as select 1", true),
        ("create table t (a int)", false),
        ("create view v as select 1", false),
        ("create materialized view v as table t", false),
        ("set x = 1", false),
        ("do ''", false),
    ] {
        let script = script(text, Postgres);
        assert_eq!(script.statements[0].nature.takes_values, takes, "{text}");
    }
}

#[test]
fn valid_sql_is_not_called_wrong() {
    let text = include_str!("../../tests/data/sql/valid_postgres.sql");
    let script = script(text, Dialect::Postgres);
    assert!(script.statements.len() > 190, "{}", script.statements.len());
    let wrong: Vec<String> = check_syntax(&script)
        .iter()
        .map(|mistake| {
            let statement = script
                .statements
                .iter()
                .find(|s| s.range.end >= mistake.range.start)
                .unwrap();
            format!(
                "{} -- {} at `{}`",
                script.statement_text(statement),
                mistake.message,
                &text[mistake.range.start..][..20.min(text.len() - mistake.range.start)]
            )
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new(), "\n{}", wrong.join("\n"));
}

#[test]
fn syntax_errors_stand_at_their_place() {
    for (text, at, message) in [
        (
            "select 1;\nselct 2;",
            "selct",
            "syntax error at `selct`: expected a statement",
        ),
        (
            "select 'ä', from t",
            ",",
            "syntax error at `,`: unexpected trailing comma",
        ),
        (
            "select (1",
            "",
            "syntax error at the end of the statement: expected `,`",
        ),
        (
            "create table t (a int,)",
            ",",
            "syntax error at `,`: unexpected trailing comma",
        ),
        (
            "select :a :b from t",
            ":b",
            "syntax error at `:b`: missing comma",
        ),
        (
            "insert into t valus (1)",
            "valus",
            "syntax error at `valus`: expected select statement",
        ),
        (
            "select * form t",
            "form",
            "syntax error at `form`: missing comma",
        ),
        (
            "delete t where a",
            "t",
            "syntax error at `t`: expected `from`",
        ),
        (
            "select 1 where group by 1",
            "group",
            "syntax error at `group`: expected an expression",
        ),
        (
            "select {{ params.äöü }} from where",
            "where",
            "syntax error at `where`: expected from item",
        ),
        (
            "create function f() returns int language sql as $$ selec 1 $$",
            "selec",
            "syntax error at `selec`: expected a statement",
        ),
    ] {
        let script = script(text, Dialect::Postgres);
        let found = check_syntax(&script);
        let found: Vec<_> = found
            .iter()
            .map(|mistake| (&text[mistake.range.clone()], mistake.message.as_str()))
            .collect();
        assert_eq!(found, [(at, message)], "{text}");
    }
}

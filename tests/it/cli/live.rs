//! `runner check --live`: what only the databases and servers know.

use insta::assert_snapshot;
use sqlx::{ConnectOptions as _, Executor as _};

use super::project::Project;
use crate::support::postgres::database;

const FINE: &str = "
dag: fine
params: { day: \"2020-08-20\" }
tasks:
  tables: { sql: { connection: db, file: sql/tables.sql } }
  load:
    needs: tables
    copy: { from: in.csv, to: { connection: db, table: deposit }, columns: { id: { type: integer }, day: { type: date } } }
  merge:
    needs: tables
    copy:
      from: in.csv
      to: { connection: db, script: \"insert into deposit select id, day from batch where day >= :day\" }
      columns: { id: { type: integer }, day: { type: date } }
  total:
    needs: load
    sql: { connection: db, script: \"insert into total select day, count(*) from deposit where day = :day group by day\" }
  answer:
    needs: [total, lite]
    copy: { from: { connection: db, query: \"select day, n from total\" }, to: { connection: lite, table: total } }
  lite: { sql: { connection: lite, script: \"create table if not exists total (day text primary key, n integer not null)\" } }
  vacuum: { needs: total, sql: { connection: db, script: vacuum total, transaction: none } }
";

const TABLES: &str = "create table if not exists deposit (id int primary key, day date not null);
create table if not exists total (day date primary key, n bigint not null);
create or replace view busy as select day from total where n > 10;
";

const WRONG: &str = "
dag: wrong
params: { day: \"2020-08-20\" }
tasks:
  reads: { sql: { connection: db, script: \"select idd from kept where day = :day\" } }
  many:
    sql: { connection: db, file: sql/wrong.sql }
  load:
    copy:
      from: { connection: db, query: \"select id, day as at, note from kept\" }
      to: { connection: db, table: kept, mode: upsert, key: [id, dya] }
      columns: { idd: id, note: nite, day: id }
  whole: { copy: { from: { connection: db, query: \"select id, note as remark from kept\" }, to: { connection: db, table: kept } } }
  nowhere: { copy: { from: in.csv, to: { connection: db, table: kpet } } }
  merge:
    copy:
      from: in.csv
      to: { connection: db, script: \"insert into kept (id, day) select id, dy from batch\" }
      columns: [id, day]
  free: { copy: { from: in.csv, to: { connection: db, script: \"insert into kept select * from batch\" } } }
  later: { sql: { connection: db, script: \"select * from made_by_code\" } }
  lite: { sql: { connection: lite, script: \"select a from nothing\" } }
  away: { sql: { connection: away, script: \"select 1\" } }
  gone: { http: { connection: gone, get: / } }
  other: { sql: { connection: db, script: \"select * from busy\" } }
";

const WRONG_SQL: &str = "create table fresh (id int);
insert into fresh (id, name) values (1, 'a');
select id
from fresh
where id = 'x' || 1;
alter table kept add column remark text;
update kept set remark = lenght(note);
do $$ begin create table made_by_code (a int); end $$;
select * from made_by_code;
";

#[tokio::test(flavor = "multi_thread")]
async fn databases_read_every_statement() {
    let database = database().await;
    let mut connection = database.options.connect().await.unwrap();
    connection
        .execute("create table kept (id int primary key, day date not null, note text)")
        .await
        .unwrap();
    let settings = format!(
        "connections:\n  db: {{ postgres: \"{}\" }}\n  lite: {{ sqlite: lite.db }}\n  away: {{ postgres: \"postgres://nobody@127.0.0.1:1/none\" }}\n  gone: {{ http: \"http://127.0.0.1:1\" }}\n",
        database.url
    );
    let project = Project::new(&[
        ("runner.yaml", &settings),
        ("in.csv", "id,day\n1,2020-08-20\n"),
        ("pipelines/fine.yaml", FINE),
        ("sql/tables.sql", TABLES),
    ]);
    let fine = project.transcript(&["check --live", "check --live --notes"]);
    project.write("pipelines/wrong.yaml", WRONG);
    project.write("sql/wrong.sql", WRONG_SQL);
    let wrong = project.transcript(&["check", "check --live --notes wrong"]);
    assert_snapshot!("what_databases_say", format!("{fine}{wrong}"));
    // Nothing of it is left.
    let tables = "select string_agg(relname, ' ') from pg_class where relkind in ('r', 'v')
        and relnamespace = 'public'::regnamespace";
    let (left,): (String,) = sqlx::query_as(tables)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, "kept");
}

//! The task that executes SQL: a script of any number of statements.

mod definition;
mod result;
mod work;

use async_trait::async_trait;

use self::definition::{Sql, Transaction};
use super::{
    AttemptContext, Deed, Guarantee, Stage, Surroundings, Task, TaskFailure, TaskKind, TaskOutput,
    TaskResult, Touch, exactly_once,
};
use crate::document::Node;

pub(super) const KIND: TaskKind = TaskKind {
    name: "sql",
    doc: DOC,
    example: EXAMPLE,
    schema: definition::schema,
    parse,
};

const DOC: &str = "\
Executes the statements of a file or a script in one transaction: all of them or none, and exactly once. \
The rows of the last statement that gives any become the task's dataset; `outputs.first` is the first of them, \
`outputs.rows` how many there are, `outputs.columns` their names.

Values are bound, never pasted: `:name` is a parameter of the DAG or an entry of `params`, `{{ … }}` any \
expression; in quotes and comments both are left alone. `:\"name\"` puts a value in as a quoted identifier, such \
as a table. PostgreSQL binds values in queries only, not in definitions such as `CREATE VIEW`.

With `transaction: none` each statement is sent alone: for `VACUUM`, `CREATE INDEX CONCURRENTLY` and others that \
can't be in a transaction. After a crash such a script begins anew. `COPY … FROM STDIN;` takes the lines behind it, \
up to a line `\\.`. A text in place of the map is not a script: name the connection.";

const EXAMPLE: &str = "\
dag: example
params: { day: 2026-08-20 }
tasks:
  create:
    sql:
      connection: results
      script: |
        create table if not exists visits (day date, visitor text);
        delete from visits where day = :day;
        insert into visits values (:day, 'ann'), (:day, 'bob');
  count:
    needs: create
    sql:
      connection: results
      script: select count(*) as visitors from visits where day = :day
";

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    definition::read(node, surroundings).map(|sql| Box::new(sql) as Box<dyn Task>)
}

#[async_trait]
impl Task for Sql {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        let database = attempt.connections.database(self.connection.as_str());
        let database = database.ok_or_else(|| {
            TaskFailure::permanent(format!("connection `{}` doesn't exist", self.connection))
        })?;
        let prepared = self.script.prepare(&attempt.scope)?;
        prepared.keep(&attempt.log, self.connection.as_str());
        if !self.transaction {
            return work::one_by_one(attempt, database, &prepared).await;
        }
        if self.reads_only
            && let Some(output) = work::read(attempt, database, &prepared).await?
        {
            return Ok(output);
        }
        let mut work = work::Statements {
            attempt,
            prepared: &prepared,
        };
        let settled = exactly_once(attempt, database, &mut work).await?;
        result::from_ledger(settled.result)
    }

    fn guarantee(&self) -> Guarantee {
        if self.transaction {
            return Guarantee::ExactlyOnce;
        }
        Guarantee::AtLeastOnce {
            reason: format!(
                "`transaction: {}` commits each statement by itself: after a crash the script \
                 begins anew",
                Transaction::None.word()
            ),
        }
    }

    fn connections(&self) -> Vec<&str> {
        vec![self.connection.as_str()]
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        let script = Deed::Script {
            code: &self.script.code,
            transaction: self.transaction,
            stage: Stage::None,
        };
        vec![Touch {
            connection: self.connection.as_str(),
            deed: script,
        }]
    }
}

/// Kept for the ledger: what a committed attempt has left.
type Kept = TaskOutput;

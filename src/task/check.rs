//! The task that checks data: rules over a table or a query.

mod definition;
mod read;
mod report;
mod rule;
mod run;
mod sql;
mod touches;

use async_trait::async_trait;

use self::read::Check;
use super::{AttemptContext, Surroundings, Task, TaskKind, TaskResult, Touch};
use crate::document::Node;

pub(super) const KIND: TaskKind = TaskKind {
    name: "check",
    doc: DOC,
    example: EXAMPLE,
    schema: definition::schema,
    parse,
};

const DOC: &str = "\
Checks the rows of a table or a query. All rules are looked at, in one snapshot; a failure names each broken \
rule, how many rows break it, and up to five of them. A rule with `severity: warn` doesn't fail the task. The rows \
that break rules (at most 1,000 a rule) are the task's dataset: `rule`, `severity` and `row`.

NULLs break `not_null` only; all other rules leave them out. `unique` with several columns means their combination. \
`range` takes `min` and `max`, which are allowed values, and `above` and `below`, which aren't. `freshness` is \
measured from the end of the run's data interval. `no_rows` is any query that must give no row; in it `:name` and \
`{{ … }}` are bound as in a `sql` task.";

const EXAMPLE: &str = "\
dag: example
tasks:
  load:
    sql:
      connection: results
      script: |
        create table if not exists candles (day date, low real, high real, state text);
        delete from candles;
        insert into candles values ('2026-08-20', 1.5, 2.5, 'complete');
  test:
    needs: load
    check:
      connection: results
      table: candles
      rules:
        - not_null: [day, low, high]
        - unique: day
        - range: { columns: [low, high], above: 0 }
        - accepted_values: { columns: state, values: [complete, partial] }
        - row_count: { min: 1 }
        - no_rows: select * from candles where low > high
          name: low is not above high
";

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    read::read(node, surroundings).map(|check| Box::new(check) as Box<dyn Task>)
}

#[async_trait]
impl Task for Check {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        run::run(self, attempt).await
    }

    fn connections(&self) -> Vec<&str> {
        vec![self.connection.as_str()]
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        touches::of(self)
    }
}

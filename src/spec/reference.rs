//! The reference of the language, in Markdown, from the same definitions as the schema.

use serde_json::Value as Json;

use super::kinds::{Group, list};
use super::schema::{pipeline_schema, project_schema, task_schema};
use super::schema_words::{shapes, table};
use super::secrets::secret_schema;
use crate::task;

/// The whole reference: what `docs/language.md` holds.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    let pipeline = pipeline_schema();
    let project = project_schema();
    text.push_str("\n## A pipeline: `pipelines/*.yaml`\n\n");
    text.push_str(&table(&pipeline, &[]));
    text.push_str("\n### A parameter\n\n`name: default` types it by its default. Spelled out:\n\n");
    text.push_str(&table(&super::params::schema(), &[]));
    let task = task_schema();
    let kinds: Vec<&str> = task::KINDS.iter().map(|kind| kind.name).collect();
    text.push_str("\n## A task\n\nThe one key that names its kind, and any of these:\n\n");
    text.push_str(&table(&task, &kinds));
    text.push_str("\n### `retry`\n\n");
    text.push_str(&table(&task["properties"]["retry"], &[]));
    text.push_str(
        "\n## Kinds of tasks\n\nA task without a kind does nothing: a point where others meet.\n\n",
    );
    text.push_str(&list(Group::Tasks, "kinds/"));
    text.push_str(
        "\n## Sources and sinks\n\nWhere records come from, in `copy`, `plot` and `kafka`:\n\n",
    );
    text.push_str(&list(Group::Sources, "kinds/"));
    text.push_str("\nWhere a `copy` puts them:\n\n");
    text.push_str(&list(Group::Sinks, "kinds/"));
    text.push_str(
        "\n## Triggers\n\nWhat starts a DAG beside the clock: a map with the key of its kind, or a list of such maps. \
         [triggers.md](triggers.md) says\nwhat holds for all of them.\n\n",
    );
    text.push_str(&list(Group::Triggers, "kinds/"));
    text.push_str("\n## A project: `runner.yaml`\n\n");
    text.push_str(&table(&project, &[]));
    text.push_str(
        "\n### Secrets\n\nA text of a connection may be kept elsewhere, and is masked wherever it would be seen:\n",
    );
    for shape in shapes(&secret_schema()) {
        text.push('\n');
        text.push_str(&table(shape, &[]));
    }
    text.push_str(&notifications(&project));
    text.push_str(&sign_in(&project));
    text.push_str("\n## Kinds of connections\n\n");
    text.push_str(&list(Group::Connections, "kinds/"));
    text
}

/// What people are told by itself.
fn notifications(project: &Json) -> String {
    let mut text = String::from(
        "\n### `notifications`\n\nIn runner.yaml for every DAG, in a pipeline for its own (without \
         `link`; what it names replaces what runner.yaml says):\n\n",
    );
    let schema = &project["properties"]["notifications"];
    text.push_str(&table(schema, &[]));
    text.push_str("\nA receiver is the name of a connection, or:\n\n");
    let receiver = shapes(&schema["properties"]["failure"])
        .into_iter()
        .find(|shape| shape["properties"].is_object());
    if let Some(receiver) = receiver {
        text.push_str(&table(receiver, &[]));
    }
    text.push_str("\n```yaml\n");
    text.push_str(NOTIFICATIONS);
    text.push_str("```\n");
    text
}

/// How people come in to the pages.
fn sign_in(project: &Json) -> String {
    let mut text = String::from("\n### `sign_in`\n\n");
    let schema = &project["properties"]["sign_in"];
    text.push_str(&table(schema, &[]));
    text.push_str("\n```yaml\n");
    text.push_str(SIGN_IN);
    text.push_str("```\n\nProvider by provider: [security.md](security.md).\n");
    text
}

const SIGN_IN: &str = "\
sign_in:
  issuer: https://login.example.org/realms/data
  client_id: runner
  client_secret: { secret: RUNNER_OIDC_SECRET }
  claim: groups
  viewer: everybody
  operator: [data-team, analytics]
  admin: data-admins
";

const NOTIFICATIONS: &str = "\
notifications:
  failure: [ops, { connection: mail, to: \"data@example.com\", title: \"{{ run.dag }}: {{ task.error }}\" }]
  recovery: ops
  limit: 10/h
";

const INTRODUCTION: &str = "\
# The language

This page and those below [kinds/](kinds/README.md) are made from the code by `runner schema --write`;
`schema/` holds the same as JSON Schema for editors. Every key that isn't listed is refused by
`runner check`.

## Values

- **Durations** have units: `250ms`, `30s`, `5m`, `1h30m`, `2d`, `1w`. **Sizes** too: `64MiB`, `10MB`.
- **Templates** are minijinja, strict: `\"{{ params.day }}\"`. A text that is one expression keeps the
  type of its value. In scope are `params`, `run` (`id`, `dag`, `logical_time`, `trigger`,
  `data_interval.start`, `data_interval.end`, and `firing`, what a `trigger` has seen),
  `tasks.<id>.outputs` of the tasks that come before,
  `item` in a `foreach`, and `env` for the names that `env:` declares. Filters beside minijinja's own:
  `date(\"%Y-%m-%d\")` and `shift(\"-1d\")` for times, in UTC. A time is a text such as
  `2026-08-20T00:00:00Z` or `2026-08-20 00:00:00+00`; without an offset it is UTC, a day is its midnight.
- In **SQL**, `:name` is a parameter of the DAG and `{{ … }}` an expression; both are bound, never pasted.
- In **runner.yaml**, `${NAME}` and `${NAME:-default}` are environment variables; a `.env` beside it is
  read, the real environment wins.
";

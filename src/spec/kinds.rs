//! The pages of the reference, one a kind: tasks, sources, sinks, triggers and connections.

use serde_json::Value as Json;

use super::schema_words::{shapes, table};
use crate::connection;
use crate::task;
use crate::trigger;

/// What kinds are kinds of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Tasks,
    Sources,
    Sinks,
    Triggers,
    Connections,
}

/// A kind as people are shown it.
#[derive(Debug)]
pub struct Kind {
    pub group: Group,
    pub name: &'static str,
    /// One or a few sentences.
    pub doc: &'static str,
    /// YAML.
    pub example: &'static str,
    /// The JSON Schema of the value behind its key.
    pub schema: Json,
}

/// The rows of a table: each has its own type, with these fields.
macro_rules! rows {
    ($group:expr, $table:expr) => {
        $table
            .iter()
            .map(|kind| Kind {
                group: $group,
                name: kind.name,
                doc: kind.doc,
                example: kind.example,
                schema: (kind.schema)().to_value(),
            })
            .collect()
    };
}

impl Group {
    const ALL: [Self; 5] = [
        Self::Tasks,
        Self::Sources,
        Self::Sinks,
        Self::Triggers,
        Self::Connections,
    ];

    /// What one of them is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tasks => "task",
            Self::Sources => "source",
            Self::Sinks => "sink",
            Self::Triggers => "trigger",
            Self::Connections => "connection",
        }
    }

    /// The folder of its pages.
    fn folder(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Sources => "sources",
            Self::Sinks => "sinks",
            Self::Triggers => "triggers",
            Self::Connections => "connections",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Tasks => "Tasks: the one key that says what a task does",
            Self::Sources => "Sources: `from` of `copy`, `plot` and `kafka`",
            Self::Sinks => "Sinks: `to` of `copy`",
            Self::Triggers => "Triggers: `trigger:` of a pipeline",
            Self::Connections => "Connections: `connections:` of `runner.yaml`",
        }
    }

    /// The heading of a kind's page.
    fn heading(self, name: &str) -> String {
        match self {
            Self::Tasks => format!("Tasks of kind `{name}`"),
            Self::Sources => format!("Records from: {name}"),
            Self::Sinks => format!("Records to: {name}"),
            Self::Triggers => format!("Triggers of kind `{name}`"),
            Self::Connections => format!("Connections of kind `{name}`"),
        }
    }

    /// Its kinds, in the order of their table.
    #[must_use]
    pub fn kinds(self) -> Vec<Kind> {
        match self {
            Self::Tasks => rows!(self, task::KINDS),
            Self::Sources => rows!(self, task::source_kinds()),
            Self::Sinks => rows!(self, task::sink_kinds()),
            Self::Triggers => rows!(self, trigger::KINDS),
            Self::Connections => rows!(self, connection::KINDS),
        }
    }

    /// The page of a kind, below the folder of all pages.
    fn page(self, name: &str) -> String {
        format!("{}/{}.md", self.folder(), name.replace(' ', "-"))
    }
}

/// The kinds of a group with what they are; `folder` leads to the pages.
pub(super) fn list(group: Group, folder: &str) -> String {
    let mut text = String::from("| kind | |\n|---|---|\n");
    for kind in group.kinds() {
        let first = kind.doc.split(". ").next().unwrap_or(kind.doc);
        let first = first.trim_end_matches('.').replace('\n', " ");
        let page = group.page(kind.name);
        text.push_str(&format!("| [{}]({folder}{page}) | {first}. |\n", kind.name));
    }
    text
}

/// The pages and their index: path in the repository, text.
#[must_use]
pub fn kind_pages() -> Vec<(String, String)> {
    let mut index = String::from(
        "# The kinds\n\nEach has a page of its own with its keys and an example, made from the code by \
         `runner schema --write`. What every task may\nsay beside its kind is in [language.md](../language.md); \
         `runner types` shows the same in a terminal.\n",
    );
    let mut pages = Vec::new();
    for group in Group::ALL {
        index.push_str(&format!("\n## {}\n\n{}", group.title(), list(group, "")));
        for kind in group.kinds() {
            let path = format!("docs/kinds/{}", group.page(kind.name));
            pages.push((path, page(group, &kind)));
        }
    }
    pages.insert(0, ("docs/kinds/README.md".to_owned(), index));
    pages
}

fn page(group: Group, kind: &Kind) -> String {
    let mut text = format!("# {}\n\n{}\n", group.heading(kind.name), kind.doc);
    for shape in shapes(&kind.schema) {
        if shape["properties"].is_object() {
            text.push('\n');
            text.push_str(&table(shape, &[]));
        }
    }
    text.push_str(&format!(
        "\n## Example\n\n```yaml\n{}\n```\n",
        kind.example.trim_end()
    ));
    for shape in shapes(&kind.schema) {
        for (key, property) in shape["properties"].as_object().into_iter().flatten() {
            text.push_str(&below(key, key, property));
        }
    }
    text.push_str("\n---\n\n[All kinds](../README.md) · [The language](../../language.md)\n");
    text
}

/// The keys of the maps below a key, however deep. Sources and sinks have pages of their own.
fn below(key: &str, path: &str, schema: &Json) -> String {
    let mut text = String::new();
    let mut links = Vec::new();
    for shape in shapes(schema) {
        let Some(properties) = shape["properties"].as_object() else {
            continue;
        };
        let title = shape["title"].as_str();
        if let Some(link) = title.and_then(|title| link(key, title)) {
            links.push(link);
            continue;
        }
        match title {
            Some(title) => {
                let doc = shape["description"].as_str().unwrap_or_default();
                text.push_str(&format!("\n## `{path}`: {title}\n\n{doc}\n"));
            }
            None => text.push_str(&format!("\n## `{path}`\n")),
        }
        text.push('\n');
        text.push_str(&table(shape, &[]));
        for (name, property) in properties {
            text.push_str(&below(name, &format!("{path}.{name}"), property));
        }
    }
    if !links.is_empty() {
        let links = links.join(", ");
        text.push_str(&format!("\n## `{path}`\n\nOne of: {links}.\n"));
    }
    text
}

/// The page of a source or a sink, from the page of another kind.
fn link(key: &str, title: &str) -> Option<String> {
    let group = match key {
        "from" => Group::Sources,
        "to" => Group::Sinks,
        _ => return None,
    };
    let known = group.kinds().iter().any(|kind| kind.name == title);
    known.then(|| format!("[{title}](../{})", group.page(title)))
}

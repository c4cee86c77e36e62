//! JSON Schema of both kinds of files, from the definitions that read them.

use schemars::Schema;
use serde_json::{Map as JsonMap, Value as Json, json};

use super::hooks::NOT_IN_A_HOOK;
use super::pipeline::PipelineRecord;
use super::secrets::{allow_secrets, secret_schema};
use super::settings::SettingsRecord;
use super::sign_in::allow_secret;
use super::task::TaskRecord;
use crate::connection;
use crate::document::FromNode as _;
use crate::task;

/// The schema of a file in `pipelines/`.
#[must_use]
pub fn pipeline_schema() -> Json {
    let mut schema = titled(PipelineRecord::schema(), "A pipeline of runner");
    let tasks = json!({
        "description": "The tasks, by name: letters, digits, `_` and `-`.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "anyOf": [{ "type": "null" }, task_schema()] }
    });
    schema["properties"]["tasks"] = tasks;
    refer_to_hook(&mut schema);
    schema["$defs"] = json!({ "hook": hook_schema() });
    // A map without these keys is the default of a parameter that is a map.
    schema["properties"]["params"]["additionalProperties"] = json!({
        "if": {
            "type": "object",
            "anyOf": [
                { "required": ["type"] },
                { "required": ["default"] },
                { "required": ["enum"] }
            ]
        },
        "then": super::params::schema()
    });
    schema
}

/// The schema of `runner.yaml`.
#[must_use]
pub fn project_schema() -> Json {
    let mut schema = titled(SettingsRecord::schema(), "A project of runner: runner.yaml");
    let connections = |doc: &str| {
        json!({
            "description": doc,
            "type": "object",
            "additionalProperties": connection_schema()
        })
    };
    schema["properties"]["connections"] =
        connections("What tasks reach the world through, by name.");
    schema["properties"]["profiles"]["additionalProperties"]["properties"]["connections"] =
        connections("Connections of the same name are replaced.");
    allow_secret(&mut schema);
    schema["$defs"] = json!({ "secret": secret_schema() });
    schema
}

/// The schema of one task: the common keys and one key for each kind.
#[must_use]
pub fn task_schema() -> Json {
    let mut schema = TaskRecord::schema().to_value();
    if let Some(properties) = schema["properties"].as_object_mut() {
        for kind in task::KINDS {
            properties.insert(kind.name.to_owned(), described(kind.doc, (kind.schema)()));
        }
    }
    refer_to_hook(&mut schema);
    schema
}

/// What `on_failure` and `on_success` take: a task that can't say when it runs.
fn hook_schema() -> Json {
    let mut schema = task_schema();
    if let Some(properties) = schema["properties"].as_object_mut() {
        for key in NOT_IN_A_HOOK {
            properties.shift_remove(*key);
        }
    }
    schema["minProperties"] = json!(1);
    schema
}

fn refer_to_hook(schema: &mut Json) {
    for key in ["on_failure", "on_success"] {
        let property = &mut schema["properties"][key];
        property["type"] = json!("object");
        property["$ref"] = json!("#/$defs/hook");
    }
}

fn connection_schema() -> Json {
    let properties: JsonMap<String, Json> = connection::KINDS
        .iter()
        .map(|kind| {
            let mut schema = described(kind.doc, (kind.schema)());
            allow_secrets(&mut schema);
            (kind.name.to_owned(), schema)
        })
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1
    })
}

fn described(doc: &str, schema: Schema) -> Json {
    let mut schema = schema;
    schema
        .ensure_object()
        .insert("description".to_owned(), Json::String(doc.to_owned()));
    schema.to_value()
}

fn titled(schema: Schema, title: &str) -> Json {
    let mut whole = JsonMap::new();
    whole.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    whole.insert("title".to_owned(), json!(title));
    if let Json::Object(rest) = schema.to_value() {
        whole.extend(rest);
    }
    Json::Object(whole)
}

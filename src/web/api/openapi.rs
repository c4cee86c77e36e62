//! OpenAPI 3.1, made from the table of routes: what isn't described there isn't part of the API.

use axum::Json;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::web::Problem;
use crate::web::describe::{Describe, Gives, Shape, of};
use crate::web::route::{Needs, Route, routes};

/// The description itself.
pub(super) const SHOW: Route = Route::get("/api/v1/openapi.json", Needs::Read, || {
    get(async || Json(openapi()))
})
.about(Describe::new("api", "This description").text("application/json"));

/// What names are made of.
const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";
/// States of runs.
const STATES: &str = "^(queued|running|cancelling|success|failed|cancelled)\
    (,(queued|running|cancelling|success|failed|cancelled))*$";

/// What may stand behind the `?`: name, meaning, schema. What follows a `/` tells those of one name
/// apart.
fn queries() -> [(&'static str, &'static str, Value); 21] {
    let number = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
    [
        (
            "cursor",
            "Where to go on: `next` of the answer before",
            json!({ "type": "string" }),
        ),
        (
            "cursor/run",
            "Where to go on: `next` of the answer before, or a run",
            json!({ "type": "string", "pattern": NAME }),
        ),
        (
            "cursor/number",
            "Where to go on: `next` of the answer before",
            json!({ "type": "integer", "format": "int64" }),
        ),
        (
            "limit",
            "At most so many",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }),
        ),
        (
            "limit/rows",
            "At most so many rows; without it 100, in CSV all. In JSON at most 1000",
            json!({ "type": "integer", "minimum": 0, "format": "int64" }),
        ),
        (
            "limit/next",
            "At most so many",
            json!({ "type": "integer", "minimum": 1, "maximum": 10_000, "default": 100 }),
        ),
        (
            "state",
            "Only these states, separated by commas",
            json!({ "type": "string", "pattern": STATES }),
        ),
        (
            "tag",
            "Only DAGs with this tag",
            json!({ "type": "string" }),
        ),
        ("task", "Only this task", json!({ "type": "string" })),
        ("item", "The item of a `foreach`", number.clone()),
        (
            "attempt",
            "Which attempt, from 1; without it the last",
            number.clone(),
        ),
        (
            "from",
            "The first byte; below 0: so many before the end",
            json!({ "type": "integer", "format": "int64" }),
        ),
        (
            "bytes",
            "At most so many bytes; without it all",
            json!({ "type": "integer", "minimum": 0, "format": "int64" }),
        ),
        (
            "follow",
            "Go on until the attempt has ended",
            json!({ "type": "boolean", "default": false }),
        ),
        (
            "format",
            "How the rows are written",
            json!({ "type": "string", "enum": ["json", "csv"], "default": "json" }),
        ),
        (
            "count",
            "So many",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 10 }),
        ),
        (
            "dag",
            "Only these DAGs, separated by commas",
            json!({ "type": "string" }),
        ),
        (
            "from/time",
            "As if it were then",
            json!({ "type": "string", "format": "date-time" }),
        ),
        (
            "until",
            "Up to then",
            json!({ "type": "string", "format": "date-time" }),
        ),
        (
            "name",
            "An id of a run, a part of one, `latest`, or a DAG",
            json!({ "type": "string" }),
        ),
        ("user", "Only this user's", json!({ "type": "string" })),
    ]
}

/// The description of the API.
#[must_use]
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    add(&mut schemas, of::<Problem>());
    for route in routes() {
        let Some(about) = &route.about else { continue };
        let operation = operation(route, about, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.verb.as_str().to_ascii_lowercase()] = operation;
    }
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "runner",
            "version": "1",
            "description": "What the command line can do, over HTTP. See docs/api.md.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "`runner token add` makes one",
            } },
        },
    })
}

fn add(schemas: &mut Map<String, Value>, shape: Shape) -> Value {
    for (name, schema) in shape.schemas {
        let schema = serde_json::to_value(schema).unwrap_or_default();
        schemas.insert(name, schema);
    }
    json!({ "$ref": format!("#/components/schemas/{}", shape.name) })
}

fn operation(route: &Route, about: &Describe, schemas: &mut Map<String, Value>) -> Value {
    let in_path = route.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "pattern": NAME },
        }))
    });
    let known = queries();
    let in_query = about.query.iter().filter_map(|name| {
        let (name, meaning, schema) = known.iter().find(|(known, ..)| known == name)?;
        let name = name.split('/').next();
        Some(json!({
            "name": name, "in": "query", "required": name == Some("name"),
            "description": meaning, "schema": schema,
        }))
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let success = match about.gives {
        Gives::Nothing => json!({ "description": "Done" }),
        Gives::Json(shape) => json!({
            "description": "Done",
            "content": { "application/json": { "schema": add(schemas, shape()) } },
        }),
        Gives::Text(kind) => json!({ "description": "Done", "content": { kind: {} } }),
    };
    let problem = json!({
        "description": "A problem (RFC 9457)",
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
        } },
    });
    let mut operation = json!({
        "operationId": name(route),
        "tags": [about.part],
        "summary": about.summary,
        "parameters": parameters,
        "responses": { about.status.to_string(): success.clone() },
    });
    for status in about.also {
        operation["responses"][status.to_string()] = success.clone();
    }
    operation["responses"]["default"] = problem;
    if let Some(shape) = about.takes {
        let shape = shape();
        let name = shape.name.clone();
        let schema = add(schemas, shape);
        let all = schemas[&name]["required"].as_array();
        operation["requestBody"] = json!({
            "required": all.is_some_and(|all| !all.is_empty()),
            "content": { "application/json": { "schema": schema } },
        });
    }
    if route.needs == Needs::Nothing {
        operation["security"] = json!([]);
    }
    operation
}

/// `get_dags_dag_runs`.
fn name(route: &Route) -> String {
    let parts = route
        .path
        .split('/')
        .filter(|part| !["", "api", "v1"].contains(part));
    let mut name = route.verb.as_str().to_ascii_lowercase();
    for part in parts {
        name.push('_');
        let plain = part.chars().map(|c| if c == '.' { '_' } else { c });
        name.extend(plain.filter(|c| !"{}".contains(*c)));
    }
    name
}

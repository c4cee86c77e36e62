//! What a schema says, in words and as a table in Markdown.

use serde_json::Value as Json;

/// The schema itself, or its alternatives. A map whose keys exclude each other is one shape.
pub fn shapes(schema: &Json) -> Vec<&Json> {
    if schema["properties"].is_object() {
        return vec![schema];
    }
    match schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        Some(alternatives) => alternatives.iter().flat_map(shapes).collect(),
        None => vec![schema],
    }
}

/// The keys of a map as a table.
pub(super) fn table(schema: &Json, without: &[&str]) -> String {
    let mut text = String::from("| key | value | default | |\n|---|---|---|---|\n");
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if without.contains(&name.as_str()) {
            continue;
        }
        let default = match &property["default"] {
            Json::Null if required.contains(&name.as_str()) => "required".to_owned(),
            Json::Null => String::new(),
            Json::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let doc = property["description"].as_str().unwrap_or("");
        text.push_str(&format!(
            "| `{name}` | {} | {default} | {} |\n",
            value_words(property),
            doc.replace('\n', " ").replace('|', "\\|")
        ));
    }
    text
}

/// What a value may be, in words.
pub fn value_words(schema: &Json) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .filter_map(Json::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return words.join(", ");
    }
    let alternatives = shapes(schema);
    if alternatives.len() > 1 {
        let mut words: Vec<String> = Vec::new();
        for alternative in alternatives {
            let word = value_words(alternative);
            if !words.contains(&word) {
                words.push(word);
            }
        }
        return words.join(" or ");
    }
    let one = |kind: &str| match kind {
        "string" => match schema["examples"].as_array() {
            Some(examples) => {
                let examples: Vec<String> = examples
                    .iter()
                    .filter_map(Json::as_str)
                    .map(|example| format!("`{example}`"))
                    .collect();
                examples.join(", ")
            }
            None => "text".to_owned(),
        },
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        "array" => match schema.get("items") {
            Some(items) if items.is_object() => format!("list of {}", value_words(items)),
            _ => "list".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => format!("map to {}", value_words(values)),
            _ => "map".to_owned(),
        },
        other => other.to_owned(),
    };
    match &schema["type"] {
        Json::String(kind) => one(kind),
        Json::Array(kinds) => {
            let words: Vec<String> = kinds.iter().filter_map(Json::as_str).map(one).collect();
            words.join(" or ")
        }
        _ => "any value".to_owned(),
    }
}

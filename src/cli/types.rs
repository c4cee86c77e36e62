//! `runner types`: the kinds of tasks, triggers and connections, each with its keys and an example.

use std::io::Write as _;

use serde_json::{Value as Json, json};

use super::arguments::{Format, Types};
use super::context::unknown;
use super::{exit, look};
use crate::spec::{Group, Kind, reference, shapes, value_words};

/// What is shown, in this order. Sources and sinks are shown by the kinds that have them.
const GROUPS: [Group; 3] = [Group::Tasks, Group::Triggers, Group::Connections];

pub fn run(command: &Types) -> anyhow::Result<u8> {
    let mut out = anstream::stdout().lock();
    if command.markdown {
        out.write_all(reference().as_bytes())?;
        return Ok(exit::OK);
    }
    let kinds: Vec<Kind> = GROUPS.into_iter().flat_map(Group::kinds).collect();
    let chosen: Vec<&Kind> = match &command.kind {
        None => kinds.iter().collect(),
        Some(name) => {
            let found: Vec<&Kind> = kinds.iter().filter(|kind| kind.name == name).collect();
            if found.is_empty() {
                return Err(unknown("kind", name, kinds.iter().map(|kind| kind.name)).into());
            }
            found
        }
    };
    if command.format == Format::Json {
        let rows: Vec<Json> = chosen
            .iter()
            .map(|kind| {
                json!({
                    "of": kind.group.word(), "kind": kind.name, "doc": kind.doc,
                    "example": kind.example, "schema": kind.schema
                })
            })
            .collect();
        writeln!(out, "{:#}", Json::Array(rows))?;
        return Ok(exit::OK);
    }
    let (bold, faint) = (look::BOLD, look::FAINT);
    if command.kind.is_none() {
        for group in GROUPS {
            writeln!(out, "{bold}{}s{bold:#}", group.word())?;
            for kind in chosen.iter().filter(|kind| kind.group == group) {
                let doc = kind.doc.split(". ").next().unwrap_or(kind.doc);
                writeln!(out, "  {:<10} {}", kind.name, doc.trim_end_matches('.'))?;
            }
        }
        writeln!(
            out,
            "{faint}runner types KIND shows its keys and an example{faint:#}"
        )?;
        return Ok(exit::OK);
    }
    for kind in chosen {
        writeln!(
            out,
            "{bold}{}{bold:#}  {faint}a kind of {}{faint:#}",
            kind.name,
            kind.group.word()
        )?;
        writeln!(out, "{}\n", kind.doc)?;
        keys(&mut out, &kind.schema)?;
        writeln!(out, "{bold}example{bold:#}")?;
        for line in kind.example.trim_end().lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(exit::OK)
}

/// The keys of a kind, or of each of its alternative shapes; then those of its keys' named shapes.
fn keys(out: &mut impl std::io::Write, schema: &Json) -> std::io::Result<()> {
    for shape in shapes(schema) {
        keys_of(out, "keys", shape)?;
        for (key, property) in shape["properties"].as_object().into_iter().flatten() {
            for named in shapes(property) {
                if let Some(title) = named["title"].as_str() {
                    keys_of(out, &format!("{key}: {title}"), named)?;
                }
            }
        }
    }
    Ok(())
}

fn keys_of(out: &mut impl std::io::Write, heading: &str, schema: &Json) -> std::io::Result<()> {
    let Some(properties) = schema["properties"].as_object() else {
        return Ok(());
    };
    let (bold, faint) = (look::BOLD, look::FAINT);
    let width = properties.keys().map(String::len).max().unwrap_or(0);
    writeln!(out, "{bold}{heading}{bold:#}")?;
    for (name, property) in properties {
        let required = schema["required"]
            .as_array()
            .is_some_and(|required| required.iter().any(|key| key == name));
        let mut facts = vec![value_words(property).replace('`', "")];
        if required {
            facts.push("required".to_owned());
        }
        match &property["default"] {
            Json::Null => {}
            Json::String(text) => facts.push(format!("default {text}")),
            other => facts.push(format!("default {other}")),
        }
        writeln!(
            out,
            "  {name:<width$}  {faint}{}{faint:#}",
            facts.join(", ")
        )?;
        for line in property["description"].as_str().unwrap_or("").lines() {
            writeln!(out, "  {:width$}  {line}", "")?;
        }
    }
    writeln!(out)
}

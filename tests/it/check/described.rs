//! What the code says of the language: examples, JSON Schema, the reference.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use runner::cli::generated;
use runner::document::{Report, SourceId};
use runner::spec::{pipeline_schema, project_schema, read_yaml, render_text};
use runner::{connection, task, trigger};
use serde_json::Value as Json;

use super::broken::cases;
use super::case::Case;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A `runner.yaml` with the example of every kind of connection.
fn example_settings() -> String {
    let examples = connection::KINDS.iter().map(|kind| kind.example);
    let indented = examples
        .flat_map(str::lines)
        .map(|line| format!("  {line}\n"));
    format!("connections:\n{}", indented.collect::<String>())
}

/// What the example of `dag` runs.
const INGEST: &str = "dag: ingest_prices\ntasks: { go: { shell: \"true\" } }\n";
const REPORT: &str = "dag: daily_report\nparams: { day: { type: date }, draft: true }\n\
                      tasks: { go: { if: params.draft or params.day, shell: \"true\" } }\n";

#[test]
fn every_example_is_a_pipeline_without_mistakes() {
    let settings = example_settings();
    for kind in task::KINDS {
        let case = Case::of(&[
            ("runner.yaml", settings.as_bytes()),
            ("pipelines/example.yaml", kind.example.as_bytes()),
            ("pipelines/ingest_prices.yaml", INGEST.as_bytes()),
            ("pipelines/daily_report.yaml", REPORT.as_bytes()),
        ]);
        let loaded = case.load();
        let text = render_text(&loaded.diagnostics, &loaded.sources, false);
        assert_eq!(text, "", "the example of `{}`", kind.name);
    }
}

#[test]
fn every_example_of_a_trigger_has_no_mistakes() {
    let settings = example_settings();
    for kind in trigger::KINDS {
        let case = Case::of(&[
            ("runner.yaml", settings.as_bytes()),
            (".env", b"ORDERS_SECRET=open sesame\n"),
            ("pipelines/example.yaml", kind.example.as_bytes()),
        ]);
        let loaded = case.load();
        let text = render_text(&loaded.diagnostics, &loaded.sources, false);
        assert_eq!(text, "", "the example of `{}`", kind.name);
    }
}

#[test]
fn every_example_of_a_source_or_a_sink_has_no_mistakes() {
    let settings = example_settings();
    for kind in task::source_kinds().iter().chain(&task::sink_kinds()) {
        let task: String = kind
            .example
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        let pipeline = format!(
            "dag: example\ntasks:\n  earlier: {{ shell: \"true\" }}\n  example:\n    needs: earlier\n{task}"
        );
        let case = Case::of(&[
            ("runner.yaml", settings.as_bytes()),
            ("pipelines/example.yaml", pipeline.as_bytes()),
        ]);
        let loaded = case.load();
        let text = render_text(&loaded.diagnostics, &loaded.sources, false);
        assert_eq!(
            text, "",
            "the example of `{}`:\n{}",
            kind.name, kind.example
        );
    }
}

#[test]
fn the_generated_files_are_as_the_code_says() {
    for (path, expected) in generated() {
        let found = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        assert!(
            found == expected,
            "`{path}` isn't as the code says: `runner schema --write` makes it anew"
        );
    }
}

fn validators() -> (Validator, Validator) {
    let of = |schema: &Json| {
        assert!(jsonschema::meta::is_valid(schema), "no schema: {schema:#}");
        jsonschema::validator_for(schema).unwrap()
    };
    (of(&pipeline_schema()), of(&project_schema()))
}

/// A document as an editor's JSON Schema plug-in sees it.
fn json(text: &str) -> Option<Json> {
    let node = read_yaml(SourceId(0), text, &mut Report::default())?;
    Some(node.to_json())
}

fn fits(validator: &Validator, what: &str, text: &str) {
    let json = json(text).unwrap_or_else(|| panic!("{what} is no YAML"));
    let errors: Vec<String> = validator
        .iter_errors(&json)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, [""; 0], "{what}");
}

#[test]
fn what_is_right_fits_the_schemas() {
    let (pipeline, project) = validators();
    for kind in task::KINDS {
        fits(&pipeline, kind.name, kind.example);
    }
    for kind in trigger::KINDS {
        fits(&pipeline, kind.name, kind.example);
    }
    fits(&project, "the connections", &example_settings());
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["pipelines", "examples", "bench"] {
        files.extend(yaml_below(&root().join(folder)));
    }
    files.push(root().join("runner.yaml"));
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let validator = if path.ends_with("runner.yaml") {
            &project
        } else {
            &pipeline
        };
        fits(validator, &path.display().to_string(), &text);
    }
}

fn yaml_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                yaml_below(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

#[test]
fn the_schemas_refuse_unknown_keys_too() {
    let (pipeline, project) = validators();
    let mut tried = 0;
    for case in cases()
        .iter()
        .filter(|case| case.name.contains("unknown-key"))
    {
        let refused = |(path, text): (&Path, &str)| {
            let validator = if path.ends_with("runner.yaml") {
                &project
            } else {
                &pipeline
            };
            json(text).is_some_and(|json| !validator.is_valid(&json))
        };
        assert!(case.texts().any(refused), "{} fits the schemas", case.name);
        tried += 1;
    }
    assert!(tried > 8, "only {tried} cases");
}

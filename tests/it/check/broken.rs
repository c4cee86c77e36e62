//! Broken projects in `tests/broken/`, each with all that is said about it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use runner::document::Severity;
use runner::spec::{Loaded, render_json, render_text};

use super::case::Case;

/// Every case, by name.
pub fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

#[test]
fn every_mistake_is_shown_with_its_place_its_cause_and_a_fix() {
    let cases = cases();
    assert!(cases.len() >= 100, "only {} broken projects", cases.len());
    let failed: Vec<&str> = cases
        .iter()
        .filter(|case| catch_unwind(AssertUnwindSafe(|| check(case))).is_err())
        .map(|case| case.name.as_str())
        .collect();
    assert!(failed.is_empty(), "these differ: {failed:#?}");
}

fn check(case: &Case) {
    let loaded = case.load();
    let text = render_text(&loaded.diagnostics, &loaded.sources, false);
    assert!(!text.is_empty(), "{}: nothing was found", case.name);
    same_as_json(&text, &loaded);
    in_order(&loaded);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/broken/snapshots"
    ));
    settings.set_omit_expression(true);
    settings.set_description(&case.description);
    settings.bind(|| insta::assert_snapshot!(case.name.as_str(), text));
}

/// The text names the same mistakes as the JSON: severity, code, message, file, line, column.
fn same_as_json(text: &str, loaded: &Loaded) {
    let lines: Vec<&str> = text.lines().collect();
    let in_text: Vec<(String, String)> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| {
            ["error[", "warning[", "note["]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .map(|(at, title)| {
            let place = lines[at..]
                .iter()
                .find_map(|line| line.trim_start().strip_prefix("--> "));
            ((*title).to_owned(), place.unwrap_or_default().to_owned())
        })
        .collect();
    let json = render_json(&loaded.diagnostics, &loaded.sources);
    let in_json: Vec<(String, String)> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let word = |key: &str| row[key].as_str().unwrap().to_owned();
            let title = format!(
                "{}[{}]: {}",
                word("severity"),
                word("code"),
                word("message")
            );
            let place = format!("{}:{}:{}", word("file"), row["line"], row["column"]);
            (title, place)
        })
        .collect();
    assert_eq!(in_text, in_json);
}

/// Files in the order they are read, mistakes in the order of the file.
fn in_order(loaded: &Loaded) {
    let places: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.primary.span)
        .map(|span| (span.source, span.start))
        .collect();
    assert!(places.is_sorted(), "out of order");
}

#[test]
fn twenty_mistakes_in_one_file_are_twenty() {
    let case = cases()
        .into_iter()
        .find(|case| case.name.ends_with("twenty-mistakes"))
        .unwrap();
    let errors = case
        .load()
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    assert_eq!(errors, 20);
}

#[test]
fn weaker_guarantees_are_noted_when_asked_for() {
    let loaded = Case::of(&[(
        "pipelines/a.yaml",
        b"dag: a\ntasks: { one: { shell: echo }, two: {} }\n",
    )])
    .load();
    assert_eq!(loaded.diagnostics, []);
    insta::assert_snapshot!(render_text(&loaded.notes(), &loaded.sources, false), @r"
    note[at-least-once]: task `one` may act more than once
     --> pipelines/a.yaml:2:17
      |
    2 | tasks: { one: { shell: echo }, two: {} }
      |                 ^^^^^
      |
      = help: what a script does can't be taken back: after a crash it runs again, with the same `RUNNER_IDEMPOTENCY_KEY`
    ");
}

//! Where output goes: pipes that close, colours, programs.

use std::process::Stdio;

use super::project::{ETL, Project, ROWS, rows_csv};

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let rows = rows_csv();
    let project = Project::new(&[("pipelines/rows.yaml", ROWS), ("in.csv", &rows)]);
    project.stdout("trigger rows");
    for line in [
        "runs",
        "list",
        "show rows",
        "show latest",
        "logs rows",
        "data rows read",
        "completions bash",
        "man",
        "trigger rows",
        "retry rows read",
    ] {
        let mut command = project.runner(line);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output();
        let output = output.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), &*error),
            (Some(0), ""),
            "runner {line}"
        );
    }
    // What was triggered has run to its end all the same.
    let runs = project.stdout("runs --format json");
    assert_eq!(runs.matches(r#""state": "success""#).count(), 2, "{runs}");
}

#[test]
fn colours_are_for_terminals() {
    let project = Project::new(&[("pipelines/etl.yaml", ETL)]);
    project.stdout("trigger etl --only prepare");
    for line in ["list", "runs", "show etl", "show latest", "logs etl"] {
        for (option, variable, coloured) in [
            ("", None, false),
            ("--color always", None, true),
            ("--color auto", Some(("CLICOLOR_FORCE", "1")), true),
            ("--color auto", Some(("NO_COLOR", "1")), false),
            ("--color never", None, false),
        ] {
            let mut command = project.runner(&format!("{line} {option}"));
            command.envs(variable);
            let output = command.output().unwrap();
            assert!(output.status.success());
            let found = output.stdout.contains(&0x1b);
            assert_eq!(found, coloured, "runner {line} {option} {variable:?}");
        }
    }
}

#[test]
fn what_is_json_is_json() {
    let rows = rows_csv();
    let project = Project::new(&[
        ("pipelines/rows.yaml", ROWS),
        ("pipelines/etl.yaml", ETL),
        ("in.csv", &rows),
    ]);
    project.output("trigger etl");
    project.stdout("trigger rows");
    for line in [
        "list --format json",
        "runs --format json",
        "show etl --format json",
        "show rows --format json",
        "show latest --format json",
        "data rows read --format json",
        "data rows read --limit 1 --format json",
    ] {
        let text = project.stdout(line);
        serde_json::from_str::<serde_json::Value>(&text).expect(line);
    }
    for line in project.stdout("logs etl --format json").lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

#[test]
fn shells_get_completions() {
    let project = Project::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = project.stdout(&format!("completions {shell}"));
        assert!(text.contains("trigger") && text.contains("logs"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let project = Project::new(&[]);
    assert!(project.stdout("man").contains(".TH runner"));
    project.stdout("man --dir pages");
    let pages = std::fs::read_dir(project.path().join("pages")).unwrap();
    let mut names: Vec<String> = pages
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in [
        "runner.1",
        "runner-trigger.1",
        "runner-db-url.1",
        "runner-logs.1",
    ] {
        assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
    }
}

//! Texts that are kept elsewhere and must not be seen.

use super::project::Project;

const SETTINGS: &str = r#"
connections:
  by_name: { sqlite: { secret: BY_NAME } }
  by_file: { sqlite: { secret: { file: by_file.txt } } }
  by_command: { sqlite: { secret: { command: "touch ran; echo by-command.db" } } }
  by_default: { sqlite: { secret: { file: none.txt }, default: by-default.db } }
"#;

/// Each database says its own name, as a careless script would.
const PIPELINE: &str = r#"
dag: hush
tasks:
  by_name: { sql: { connection: by_name, script: "create table t as select 1" } }
  by_file: { sql: { connection: by_file, script: "create table t as select 1" } }
  by_command: { sql: { connection: by_command, script: "create table t as select 1" } }
  by_default: { sql: { connection: by_default, script: "create table t as select 1" } }
  careless: { shell: "echo by-name.db by-file.db by-command.db by-default.db" }
"#;

#[test]
fn secrets_come_from_elsewhere_and_are_masked() {
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/hush.yaml", PIPELINE),
        ("by_file.txt", "by-file.db\n"),
        (".env", "BY_NAME=by-name.db\n"),
    ]);
    project.stdout("check");
    assert!(
        !project.path().join("ran").exists(),
        "check runs no command"
    );

    project.stdout("trigger hush");
    assert!(project.path().join("ran").exists());
    for name in ["by-name.db", "by-file.db", "by-command.db", "by-default.db"] {
        assert!(project.path().join(name).exists(), "{name}");
    }
    let log = project.stdout("logs hush careless");
    assert!(log.contains("*** *** *** ***"), "{log}");
}

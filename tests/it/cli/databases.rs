//! `runner db`, with shells that only say how they were called.

use std::os::unix::fs::PermissionsExt as _;

use super::project::{Project, assert_still, shown};

const SETTINGS: &str = r#"
connections:
  file: { sqlite: data/a.db }
  server: { postgres: "postgres://me:p%40ss@host:5/db" }
"#;

const FAKE: &str = "#!/bin/sh\necho \"$0: $*; password: $PGPASSWORD\"\nexit $FAKE_END\n";

#[test]
fn shells_are_called() {
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/a.yaml", "dag: a\ntasks: { a: {} }\n"),
        ("bin/psql", FAKE),
        ("bin/sqlite3", FAKE),
    ]);
    let bin = project.path().join("bin");
    for name in ["psql", "sqlite3"] {
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), executable).unwrap();
    }
    let mut text = String::new();
    for (line, path, end) in [
        ("db file", true, "0"),
        ("db server -- -c list", true, "0"),
        ("db server", true, "2"),
        ("db server", false, "0"),
        ("db file", false, "0"),
        ("db fiel", true, "0"),
        ("db url server", true, "0"),
        ("db url file", true, "0"),
    ] {
        let mut command = project.runner(line);
        command.env("FAKE_END", end);
        command.env(
            "PATH",
            if path {
                bin.as_os_str()
            } else {
                "/nowhere".as_ref()
            },
        );
        let output = command.output().unwrap();
        text.push_str(&format!("$ runner {line}\n{}\n", shown(&output)));
    }
    assert_still!("databases", project.still(&text));
}

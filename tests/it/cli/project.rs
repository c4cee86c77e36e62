//! A project in a temporary folder, and the binary that is called in it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A project that ends with the test.
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// A project of these files: path and text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Self { folder };
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary with a command line, words parted by spaces; nothing of the test's own
    /// environment but PATH.
    #[expect(clippy::disallowed_methods, reason = "handed on to the binary")]
    pub fn runner(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    pub fn output(&self, line: &str) -> Output {
        self.runner(line).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    pub fn stdout(&self, line: &str) -> String {
        let output = self.output(line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "runner {line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command that goes on while the test does; its output is read at its end.
    pub fn spawn(&self, line: &str) -> Running {
        let mut command = self.runner(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    /// The commands and what they print, one after the other.
    pub fn transcript(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            // `touch` is the only command of a test that isn't ours.
            if let Some(name) = line.strip_prefix("touch ") {
                self.write(name, "");
                text.push_str(&format!("$ {line}\n\n"));
                continue;
            }
            text.push_str(&format!("$ runner {line}\n{}\n", shown(&self.output(line))));
        }
        self.still(&text)
    }

    /// A text without what differs from run to run.
    pub fn still(&self, text: &str) -> String {
        text.replace(&*self.path().to_string_lossy(), "[project]")
    }
}

/// What a command printed and how it ended.
pub fn shown(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => text.push_str(&format!("[exit {code}]\n")),
        None => text.push_str("[killed]\n"),
    }
    text
}

/// A command that goes on; it ends with the test.
pub struct Running(Option<Child>);

impl Running {
    /// Kills it, as a loss of power would.
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Replaces ids, times and durations, with the spaces that align them.
pub fn filters() -> Vec<(&'static str, &'static str)> {
    vec![
        (r"\b[0-9][0-9a-hjkmnp-tv-z]{12,17}\b", "[run]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[moment]"),
        (r"\d\d:\d\d:\d\d\.\d{3}", "[time]"),
        (r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "[time]"),
        (r"\[time\] \(.*\)", "[time]"),
        (r"version   [0-9a-f]{12}", "version   [hash]"),
        (r#""version": "[0-9a-f]{64}""#, r#""version": "[hash]""#),
        (r#""seconds": [0-9.]+"#, r#""seconds": [took]"#),
        (r"\b(now|\d+s ago)\b *", "[age] "),
        (r" *\b\d+(\.\d+)?(ms|s)\b", " [took]"),
        (r"(created|start) +took", "$1 took"),
        (r"process \d+-[0-9a-f]{8}", "process [owner]"),
        (r#""process": "\d+-[0-9a-f]+""#, r#""process": "[owner]""#),
    ]
}

/// Compares a text with its snapshot.
macro_rules! assert_still {
    ($name:expr, $text:expr) => {
        insta::with_settings!({ filters => super::project::filters() }, {
            insta::assert_snapshot!($name, $text);
        });
    };
}
pub(super) use assert_still;

/// A pipeline with all that a run can show: parallel branches, items, a failure, a retry.
pub const ETL: &str = r#"
dag: etl
description: Everything that a run can show
owner: data@example.com
tags: [daily, sales]
schedule: { cron: "30 2 * * *", start: 2030-01-01 }
params:
  day: "2026-08-20"
  threshold: { type: number, default: 2.0, minimum: 0, description: least change in percent }
tasks:
  prepare: { shell: "echo preparing" }
  load_a: { needs: prepare, shell: "echo loading a" }
  load_b: { needs: load_a, shell: "echo careful >&2" }
  each:
    needs: prepare
    foreach: [1, 2, 3]
    continue_on_failure: true
    shell:
      script: if [ "$ITEM" = 2 ]; then echo "no such item" >&2; exit 3; fi
      env: { ITEM: "{{ item }}" }
  join: { needs: [load_b, each], when: all_done, shell: "true" }
  broken:
    needs: join
    retry: { attempts: 2, delay: 1ms, jitter: 0 }
    shell: if [ ! -e mended ]; then echo "mended isn't there" >&2; exit 1; fi
  last: { needs: broken, shell: "true", description: comes at the end }
  other: { needs: join, shell: "true", timeout: 5m }
"#;

/// A pipeline with rows.
pub const ROWS: &str = r#"
dag: rows
tasks:
  read:
    copy:
      from: { file: in.csv }
      columns: { id: { from: id, type: integer }, name: name, note: note }
  none: { shell: "true" }
"#;

/// Rows with NULLs, empty texts, line breaks and commas.
pub fn rows_csv() -> String {
    let mut text =
        "id,name,note\n1,,\n2,\"\",\"a, b\"\n3,\"two\nlines\",\"says \"\"x\"\"\"\n".to_owned();
    for id in 4..=25 {
        text.push_str(&format!("{id},name {id},\n"));
    }
    text
}

/// A pipeline whose only long task says when it runs, and ends at once when `again` is there.
pub const SLOW: &str = r#"
dag: slow
tasks:
  first: { shell: "echo first" }
  wait:
    needs: first
    shell: if [ ! -e again ]; then echo waiting; echo started > started; exec sleep 600; fi
  after: { needs: wait, shell: "echo after" }
"#;

/// Waits until the task of [`SLOW`] runs: it opens the pipe then.
pub fn wait_for_slow(project: &Project, start: impl FnOnce() -> Running) -> Running {
    let pipe = project.path().join("started");
    if !pipe.exists() {
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let running = start();
    assert_eq!(std::fs::read_to_string(&pipe).unwrap(), "started\n");
    running
}

//! `runner --server`: the command line as a client of the real program.

mod hindered;

use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::alive::Served;
use crate::kill::project::code;
use crate::support::eventually::eventually;
use crate::support::postgres::runner;

const FILES: &[(&str, &str)] = &[
    (
        "runner.yaml",
        "connections: { kept: { sqlite: kept.db } }\n",
    ),
    (
        "pipelines/told.yaml",
        r#"
dag: told
description: tells a few things
owner: ops
tags: [demo, small]
schedule: { cron: "0 6 * * *", timezone: Europe/Berlin }
deadline: 1h
params:
  name: world
  count: { type: integer, default: 3, minimum: 1, description: how many }
tasks:
  rows:
    sql:
      connection: kept
      script: "select 1 as one, 'a, b' as letter, null as void union all select 2, '', 'x'"
  each:
    needs: rows
    foreach: [1, 2, 3]
    shell: { script: "echo item $ITEM", env: { ITEM: "{{ item }}" } }
    retries: 0
    concurrency: 2
  wrong: { shell: "echo now; sleep 0.1; echo no >&2; exit 3", needs: each, retries: 0, timeout: 5m }
  left: { shell: echo left, needs: wrong }
  either: { shell: echo either, needs: [rows, wrong], when: all_done }
"#,
    ),
    (
        "pipelines/waits.yaml",
        "dag: waits\ntasks:\n  slow: { shell: \"echo waiting; until [ -e go ]; do sleep 0.05; done\" }\n",
    ),
    (
        "pipelines/broken.yaml",
        "dag: broken\ntasks: { a: { shel: x } }\n",
    ),
];

/// What a command has said, and its exit code.
#[derive(Debug, PartialEq)]
struct Said {
    out: String,
    err: String,
    code: i32,
}

fn command(server: &str, token: &str, line: &str) -> Command {
    let mut command = Command::new(runner());
    command
        .args(["--server", server])
        .args(line.split_whitespace())
        .env("RUNNER_TOKEN", token)
        // There is no project: nothing of it is read here.
        .current_dir(std::env::temp_dir())
        .env_remove("RUNNER_ATTEMPT_ID")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn said(mut command: Command) -> Said {
    let output = command.output().await.unwrap();
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: code(output.status),
    }
}

impl Served {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn there(&self, line: &str) -> Said {
        said(command(&self.url(), &self.token, line)).await
    }

    async fn here(&self, line: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.project.command(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        said(command).await
    }
}

#[tokio::test]
async fn a_server_says_what_is_said_here() {
    let served = Served::of(FILES).await;
    let none = served.there("runs").await;
    assert_eq!(
        (none.out.as_str(), none.code),
        ("no run yet\n", 0),
        "{none:?}"
    );
    let begun = served.there("trigger told -p count=4").await;
    assert_eq!(begun.code, 3, "{begun:?}");
    for part in [
        "told  run ",
        "count=4",
        "✗ wrong",
        "✓ either",
        "failed in ",
        "runner retry ",
    ] {
        assert!(begun.out.contains(part), "{part}: {}", begun.out);
    }
    for line in [
        "list",
        "list --format json",
        "list --tag demo",
        "show told",
        "show told --format json",
        "show latest",
        "show told --items --format json",
        "show latest --format json",
        "show broke",
        "runs",
        "runs --format json",
        "runs told --state failed,running --limit 1",
        "runs waits",
        "runs wait",
        "runs --state interrupted",
        "logs told",
        "logs latest each",
        "logs told each --item 1 --format json",
        "logs told --tail 2",
        "logs told wrong --follow",
        "logs told left",
        "logs told leff",
        "data told rows",
        "data told rows --format csv",
        "data told rows --format json",
        "data told rows --limit 1",
        "data told left",
        "why told",
        "why waits",
        "why latest",
        "why told wrong",
        "why told each --format json",
        "why nobody",
        "next",
        "next --count 3 --format json --from 2026-03-28T00:00:00Z",
        "next --dag told --until 30d",
        "next --dag tol",
        "backfill told --from 2026-01-01 --to 2026-01-04 --dry-run",
        "backfill waits --from 2026-01-01 --to 2026-01-04 --every 1d --dry-run",
        "backfill waits --from 2026-01-01 --to 2026-01-04 --dry-run",
        "trigger tolt",
        "trigger told -p count=none",
        "trigger told -p cuont=1",
        "trigger told --from lef",
        "retry told lef",
        "mark told lef success",
        "cancel told",
        "unpause told",
        "pause tol",
    ] {
        // Ages go on between the two.
        let same = eventually(async || {
            let (here, there) = (served.here(line).await, served.there(line).await);
            if here == there {
                return Ok(here);
            }
            Err(format!(
                "`{line}`\nhere: {}{}{}\nthere: {}{}{}",
                here.code, here.out, here.err, there.code, there.out, there.err
            ))
        });
        let same = same.await;
        assert!(
            !(same.out.is_empty() && same.err.is_empty()),
            "{line}: {same:?}"
        );
    }
    served.end().await;
}

#[tokio::test]
async fn a_server_does_what_is_done_here() {
    let served = Served::of(FILES).await;
    let left = served.there("trigger waits --detach").await;
    assert_eq!(left.code, 0, "{left:?}");
    let id = left.out.split_whitespace().nth(2).unwrap().to_owned();
    served.run_is(&id, "running").await;
    // A log that grows, until the run has ended.
    let mut follow = command(&served.url(), &served.token, "logs waits --follow");
    let mut follow = follow.spawn().unwrap();
    let mut first = [0; 1];
    let mut out = follow.stdout.take().unwrap();
    out.read_exact(&mut first).await.unwrap();
    let cancel = served.there(&format!("cancel {id}")).await;
    assert_eq!(
        (cancel.out.as_str(), cancel.code),
        (format!("run {id} of waits: cancelled\n").as_str(), 0),
        "{cancel:?}"
    );
    let mut rest = String::new();
    out.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("waiting"), "{rest}");
    assert!(follow.wait().await.unwrap().success());

    // ^C cancels what is watched.
    let watched = command(&served.url(), &served.token, &format!("retry {id} slow"));
    let mut watched = { watched }.spawn().unwrap();
    served.run_is(&id, "running").await;
    let process = i32::try_from(watched.id().unwrap()).unwrap();
    let interrupt = nix::sys::signal::Signal::SIGINT;
    // It may not have got so far that it watches.
    eventually(async || {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), interrupt);
        match watched.try_wait().unwrap() {
            Some(status) => {
                assert_eq!(code(status), 130);
                Ok(())
            }
            None => Err(served.project.said()),
        }
    })
    .await;

    std::fs::write(served.project.root().join("go"), "").unwrap();
    let again = served.there(&format!("retry {id} slow")).await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.out.contains("✓ slow"), "{}", again.out);
    for (line, expected) in [
        (
            "pause told waits",
            "told is paused: what runs goes on, nothing begins by itself\nwaits is paused: what runs goes on, nothing begins by itself\n",
        ),
        ("pause told", "told is paused already\n"),
        ("unpause told", "told goes on with its next tick\n"),
        ("mark waits slow failed", "slow is failed; run "),
    ] {
        let done = served.there(line).await;
        assert!(
            done.out.starts_with(expected) && done.code == 0,
            "{line}: {done:?}"
        );
    }
    let backfill = "backfill waits --from 2026-01-01 --to 2026-01-04 --every 1d";
    let done = served.there(backfill).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("waits  3 intervals\n"), "{}", done.out);
    assert!(
        done.out.contains("3/3") && done.out.contains("3 succeeded in "),
        "{}",
        done.out
    );
    let nothing = served.there(backfill).await;
    assert_eq!(nothing, served.here(backfill).await);
    served.end().await;
}

//! What a script is given, what it leaves, and what its end means.

use std::fs;

use runner::model::FailureKind::{Permanent, Retryable};
use runner::task::TaskOutput;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{LIMIT, assert_failure, kind, run};
use crate::support::attempt::Attempt;

async fn outputs(attempt: &Attempt, value: &Json) -> Json {
    Json::Object(run(attempt, value).await.unwrap().outputs)
}

#[tokio::test]
async fn exit_codes_and_signals_decide() {
    let script = |text: &str| json!({ "script": text });
    for (value, kind, message) in [
        (
            script("echo a >&2; echo b >&2; exit 3"),
            Retryable,
            "exit code 3\na\nb",
        ),
        (
            script("for i in 1 2 3 4 5 6 7; do echo $i >&2; done; exit 1"),
            Retryable,
            "exit code 1\n3\n4\n5\n6\n7",
        ),
        (script("false\necho not reached"), Retryable, "exit code 1"),
        (script("kill -SEGV $$"), Retryable, "killed by SIGSEGV"),
        (
            script("kill -KILL $$"),
            Retryable,
            "killed by SIGKILL: perhaps the system ran out of memory",
        ),
        (
            script("sh -c 'kill -TERM $$'"),
            Retryable,
            "exit code 143: a command was killed by SIGTERM\nTerminated",
        ),
        (
            script("nonexistent-command"),
            Permanent,
            "exit code 127: a command was not found\ntask: 1: nonexistent-command: not found",
        ),
        (
            script("/etc/passwd"),
            Permanent,
            "exit code 126: a command can't be executed\ntask: 1: /etc/passwd: Permission denied",
        ),
        (
            json!({ "script": "false | true\necho no", "shell": "bash" }),
            Retryable,
            "exit code 1",
        ),
        (
            json!({ "command": ["nonexistent-command"] }),
            Permanent,
            "program `nonexistent-command` was not found: install it, or give its path",
        ),
        (
            json!({ "command": ["/etc/passwd"] }),
            Permanent,
            "program `/etc/passwd` can't be executed: permission denied; is it a program, and has it been made \
             executable with `chmod +x`?",
        ),
        (
            json!({ "command": ["sh", "-c", "exit 127"] }),
            Retryable,
            "exit code 127",
        ),
        (
            json!({ "script": "exit 0", "accept": [3] }),
            Retryable,
            "exit code 0",
        ),
        (
            json!({ "script": "exit 0", "directory": "{{ 'nowhere' }}" }),
            Permanent,
            "directory `FOLDER/nowhere` doesn't exist, or is none",
        ),
        (
            json!({ "script": "exit 0", "env": { "A": "{{ params.nul }}" } }),
            Permanent,
            "variable `A`: its value holds a NUL character, which no program can be given",
        ),
        (
            json!({ "command": ["true", "{{ params.long }}"] }),
            Permanent,
            "program `true` can't be started: its arguments and environment are too long; pass large values in a file",
        ),
    ] {
        let params = json!({ "nul": "a\0b", "long": "x".repeat(200_000) });
        let attempt = Attempt::new().with("params", params);
        let folder = attempt.folder().to_str().unwrap();
        assert_failure(
            run(&attempt, &value).await,
            kind,
            &message.replace("FOLDER", folder),
        );
    }
}

#[tokio::test]
async fn accepted_and_skipping_codes_are_no_failures() {
    let value =
        |code: u8| json!({ "script": format!("exit {code}"), "accept": [0, 3], "skip": 99 });
    for (code, skipped, summary) in [
        (0, false, None),
        (3, false, Some("exit code 3")),
        (99, true, Some("exit code 99")),
    ] {
        let output: TaskOutput = run(&Attempt::new(), &value(code)).await.unwrap();
        assert_eq!(
            (output.skipped, output.metrics.summary.as_deref()),
            (skipped, summary),
            "{code}"
        );
    }
    assert_failure(
        run(&Attempt::new(), &value(4)).await,
        Retryable,
        "exit code 4",
    );
}

#[tokio::test]
async fn values_stay_data() {
    let evil = "$(touch pwned) `touch pwned`; touch pwned '\"\n&& touch pwned #";
    let attempt = Attempt::new().with(
        "params",
        json!({ "evil": evil, "list": [1, "a"], "none": null }),
    );
    let value = json!({
        "script": "printf '%s' \"$EVIL\" > got; printf '%s|%s|%s' \"$LIST\" \"$NONE\" \"$MIXED\" > more",
        "env": { "EVIL": "{{ params.evil }}", "LIST": "{{ params.list }}", "NONE": "{{ params.none }}",
                 "MIXED": "x{{ 1 + 1 }}" },
    });
    run(&attempt, &value).await.unwrap();
    let command = json!({ "command": ["sh", "-c", "printf '%s' \"$1\" > second", "sh", "{{ params.evil }}"] });
    run(&attempt, &command).await.unwrap();
    let read = |name: &str| fs::read_to_string(attempt.folder().join(name)).unwrap();
    assert_eq!(read("got"), evil);
    assert_eq!(read("second"), evil);
    assert_eq!(read("more"), "[1,\"a\"]||x2");
    assert!(!attempt.folder().join("pwned").exists());
}

#[tokio::test]
async fn a_script_knows_where_it_is() {
    let attempt = Attempt::new().item(3, json!({ "coin": "zcash" })).number(2);
    let text = "for name in RUN_ID DAG TASK ITEM ATTEMPT IDEMPOTENCY_KEY DATA_INTERVAL_START DATA_INTERVAL_END
        do eval echo \"$name=\\$RUNNER_$name\" >> \"$RUNNER_OUTPUTS\"; done";
    let run = attempt.id.run.to_string();
    assert_eq!(
        outputs(&attempt, &json!(text)).await,
        json!({
            "RUN_ID": run, "DAG": "dag", "TASK": "task", "ITEM": "{\"coin\":\"zcash\"}", "ATTEMPT": "2",
            "IDEMPOTENCY_KEY": format!("{run}/task/3/0"),
            "DATA_INTERVAL_START": "2026-08-20T00:00:00Z", "DATA_INTERVAL_END": "2026-08-21T00:00:00Z",
        })
    );
}

#[tokio::test]
async fn outputs_come_by_file() {
    for (script, expected) in [
        ("true", Ok(json!({}))),
        ("echo a=1 > \"$RUNNER_OUTPUTS\"", Ok(json!({ "a": "1" }))),
        (
            "echo '{\"a\": [1, null]}' > \"$RUNNER_OUTPUTS\"",
            Ok(json!({ "a": [1, null] })),
        ),
        (
            "echo a > \"$RUNNER_OUTPUTS\"",
            Err(
                "line 1 of `RUNNER_OUTPUTS` is `a`: expected `name=value`, or one JSON object for the whole file",
            ),
        ),
        (
            "head -c 300000 /dev/zero > \"$RUNNER_OUTPUTS\"",
            Err(
                "the outputs in `RUNNER_OUTPUTS` are larger than 256 KiB: leave large results in a file or a table",
            ),
        ),
        (
            "printf 'a=\\377' > \"$RUNNER_OUTPUTS\"",
            Err("the outputs in `RUNNER_OUTPUTS` aren't UTF-8 at byte 2"),
        ),
        (
            "mkfifo \"$RUNNER_OUTPUTS\"",
            Err("`RUNNER_OUTPUTS` is no plain file any more"),
        ),
        (
            "ln -s /etc/passwd \"$RUNNER_OUTPUTS\"",
            Err("`RUNNER_OUTPUTS` is no plain file any more"),
        ),
    ] {
        let attempt = Attempt::new();
        let result = run(&attempt, &json!(script)).await;
        match expected {
            Ok(expected) => assert_eq!(Json::Object(result.unwrap().outputs), expected, "{script}"),
            Err(message) => assert_failure(result, Permanent, message),
        }
        let left = fs::read_dir(attempt.folder().join(".runner/tmp"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "{script}");
    }
}

#[tokio::test]
async fn files_are_run_by_what_they_ask_for() {
    let attempt = Attempt::new()
        .file("scripts/plain.sh", "echo \"$0\"\nfalse\necho no\n")
        .file(
            "scripts/bash.sh",
            "#!/usr/bin/env bash\na=(x y)\necho \"${a[1]} $0\"\n",
        )
        .file(
            "scripts/data.awk",
            "#!/usr/bin/awk -f\nBEGIN { print 6 * 7 }\n",
        )
        .file(
            "scripts/long.sh",
            format!("{}\necho long\n", "# x\n".repeat(50_000)),
        );
    for (value, expected) in [
        (
            json!({ "file": "scripts/plain.sh", "accept": 1 }),
            "out   scripts/plain.sh",
        ),
        (
            json!({ "file": "scripts/bash.sh" }),
            "out   y scripts/bash.sh",
        ),
        (json!({ "file": "scripts/data.awk" }), "out   42"),
        (json!({ "file": "scripts/long.sh" }), "out   long"),
        (
            json!({ "script": "echo ${BASH_VERSION:+bash}", "shell": "bash" }),
            "out   bash",
        ),
        (
            json!({ "script": "pwd", "directory": "scripts" }),
            "out   FOLDER/scripts",
        ),
        (json!({ "command": ["printf", "%s\n", 5] }), "out   5"),
    ] {
        fs::remove_file(attempt.folder().join(".runner/log.txt")).ok();
        run(&attempt, &value).await.unwrap();
        let folder = attempt.folder().to_str().unwrap();
        assert_eq!(
            attempt.log(),
            [expected.replace("FOLDER", folder)],
            "{value}"
        );
    }
    // The text is the one that was checked, whatever becomes of the file.
    let attempt = attempt.file("scripts/edited.sh", "echo old\n");
    let task = attempt
        .parse(kind(), &json!({ "file": "scripts/edited.sh" }))
        .task();
    let attempt = attempt.file("scripts/edited.sh", "echo new\n");
    fs::remove_file(attempt.folder().join(".runner/log.txt")).ok();
    task.run(&attempt.context()).await.unwrap();
    assert_eq!(attempt.log(), ["out   old"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_keeps_its_results_apart() {
    let attempt = Attempt::new();
    let task = attempt
        .parse(
            kind(),
            &json!("echo \"n=$RUNNER_ITEM\" > \"$RUNNER_OUTPUTS\""),
        )
        .task();
    let crowd = (0..64).map(|index| {
        let context = attempt.clone().item(index, json!(index)).context();
        let task = &task;
        async move { task.run(&context).await.unwrap().outputs["n"].clone() }
    });
    let found = timeout(LIMIT, futures_util::future::join_all(crowd))
        .await
        .unwrap();
    let expected: Vec<Json> = (0..64).map(|index| json!(index.to_string())).collect();
    assert_eq!(found, expected);
}

//! The task that runs scripts: what it says, prints, leaves behind, and how it ends.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runner::model::FailureKind::{self, Permanent, Retryable};
use runner::task::{KINDS, TaskKind, TaskOutput, TaskResult};
use serde_json::{Value as Json, json};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::support::attempt::Attempt;

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

fn kind() -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == "shell").unwrap()
}

async fn run(attempt: &Attempt, value: &Json) -> TaskResult {
    timeout(LIMIT, attempt.run(kind(), value))
        .await
        .expect("a script that should end hangs")
}

async fn outputs(attempt: &Attempt, value: &Json) -> Json {
    Json::Object(run(attempt, value).await.unwrap().outputs)
}

#[track_caller]
fn assert_failure(result: TaskResult, kind: FailureKind, message: &str) {
    let cause = result.unwrap_err().cause;
    assert_eq!((cause.kind, &*cause.message), (kind, message));
}

/// Command lines of the processes that this attempt's run has alive, by a variable that isn't the
/// one the product looks for.
fn alive(attempt: &Attempt) -> Vec<String> {
    let wanted = format!("RUNNER_RUN_ID={}", attempt.id.run);
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        })
        .map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        })
        .collect()
}

/// A named pipe in the project, on which a script says that it is ready.
struct Ready {
    path: PathBuf,
    pipe: tokio::net::unix::pipe::Receiver,
}

impl Ready {
    fn new(attempt: &Attempt) -> Self {
        let path = attempt.folder().join("ready");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        // With a writer of its own it never sees an end.
        let pipe = tokio::net::unix::pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&path)
            .unwrap();
        Self { path, pipe }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for as many bytes.
    async fn wait(&mut self, count: usize) {
        let mut bytes = vec![0; count];
        timeout(LIMIT, self.pipe.read_exact(&mut bytes))
            .await
            .expect("the script never gets ready")
            .unwrap();
    }
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
async fn output_goes_to_the_log_line_by_line() {
    for (script, expected) in [
        ("true", vec![]),
        (
            "echo out; echo; printf part",
            vec!["out   out", "out   ", "out   part"],
        ),
        ("printf 'a\\377b\\n'", vec!["out   a\u{fffd}b"]),
        (
            "printf '\\033[31mred\\033[0m\\n'",
            vec!["out   \u{1b}[31mred\u{1b}[0m"],
        ),
        ("echo err >&2", vec!["err   err"]),
        ("exec >&- 2>&-; true", vec![]),
        (
            "echo my-password; printf 'x my-pass'; printf 'word\\n'",
            vec!["out   ***", "out   x ***"],
        ),
    ] {
        let attempt = Attempt::new().secret("my-password");
        run(&attempt, &json!(script)).await.unwrap();
        assert_eq!(attempt.log(), expected, "{script}");
    }
    let attempt = Attempt::new().secret("my-password");
    assert_failure(
        run(&attempt, &json!("echo no my-password >&2; exit 1")).await,
        Retryable,
        "exit code 1\nno ***",
    );
}

#[tokio::test]
async fn a_long_line_is_cut_but_no_secret_is() {
    // Secrets lie at every possible cut.
    let mut attempt = Attempt::new().secret("hidden-words");
    attempt.log_limit = 16 << 20;
    let attempt = attempt.file("line", "€hidden-words".repeat(70_000));
    for (script, copies) in [
        ("cat line", 1),
        ("cat line; echo; echo end", 1),
        ("cat line | tee /dev/stderr", 2),
    ] {
        fs::remove_file(attempt.folder().join(".runner/log.txt")).ok();
        run(&attempt, &json!(script)).await.unwrap();
        let log = attempt.log();
        assert!(log.iter().all(|line| line.len() <= 64 * 1024 + 6));
        for level in ["out   ", "err   "].iter().take(copies) {
            let text: String = log
                .iter()
                .filter_map(|line| line.strip_prefix(level))
                .collect();
            let text = text.strip_suffix("end").unwrap_or(&text);
            assert_eq!(text, "€***".repeat(70_000), "{script}");
        }
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

/// Ways to leave a process behind; each writes a byte to `$READY` when it is there.
const STRAYS: &[(&str, &str)] = &[
    (
        "in the background",
        "(echo -n r > $READY; exec sleep 1000) &",
    ),
    (
        "holding no pipe",
        "(echo -n r > $READY; exec sleep 1000) > /dev/null 2>&1 < /dev/null &",
    ),
    (
        "in a session of its own",
        "setsid sh -c 'echo -n r > $READY; exec sleep 1000' &",
    ),
    (
        "forked twice",
        "setsid sh -c '(setsid sh -c \"echo -n r > $READY; exec sleep 1000\" &) ' > /dev/null 2>&1 &",
    ),
    (
        "deaf to SIGTERM",
        "setsid sh -c 'trap \"\" TERM; echo -n r > $READY; while :; do sleep 1000; done' &",
    ),
    (
        "without its environment",
        "env -i sh -c 'echo -n r > $0; exec sleep 1000' $READY &",
    ),
    (
        "stopped",
        "setsid sh -c 'echo -n r > $READY; kill -STOP $$' &",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_survives_its_script() {
    for (name, stray) in STRAYS {
        let attempt = Attempt::new();
        let ready = Ready::new(&attempt);
        // The script itself waits until its stray is there, and ends.
        let value = json!({
            "script": format!("{stray}\nhead -c 1 < $READY > /dev/null\necho over"),
            "env": { "READY": ready.path() },
            "grace": "100ms",
        });
        let began = Instant::now();
        run(&attempt, &value).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "{name}");
        assert_eq!(alive(&attempt), Vec::<String>::new(), "{name}");
        let log = attempt.log();
        assert!(log.contains(&"out   over".to_owned()), "{name}: {log:?}");
        assert!(
            log.iter()
                .any(|line| line.contains("left processes behind")),
            "{name}: {log:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_survives_a_cancel() {
    let grace = Duration::from_millis(300);
    for (name, stray) in STRAYS.iter().chain([
        &("none", "echo -n r > $READY"),
        &(
            "in a crowd",
            "for i in 1 2 3 4 5 6 7 8; do setsid sleep 1000 & done; echo -n r > $READY",
        ),
    ]) {
        for trap in ["", "trap '' TERM", "trap 'echo caught; exit 0' TERM"] {
            let attempt = Attempt::new();
            let mut ready = Ready::new(&attempt);
            let value = json!({
                "script": format!("{trap}\n{stray}\nwhile :; do sleep 1000 & wait $! || :; done"),
                "env": { "READY": ready.path() },
                "grace": "300ms",
            });
            let task = attempt.parse(kind(), &value).task();
            let context = attempt.context();
            let running = tokio::spawn(async move { task.run(&context).await });
            ready.wait(1).await;
            let began = Instant::now();
            attempt.cancel.cancel();
            let result = timeout(LIMIT, running).await.expect("it hangs").unwrap();
            let took = began.elapsed();
            assert!(
                took < grace + Duration::from_secs(1),
                "{name}, {trap}: {took:?}"
            );
            assert_eq!(alive(&attempt), Vec::<String>::new(), "{name}, {trap}");
            let message = result.unwrap_err().cause.message;
            assert!(
                message.starts_with("cancelled, ended "),
                "{name}, {trap}: {message}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_attempt_is_killed() {
    for (name, stray) in STRAYS {
        let attempt = Attempt::new();
        let mut ready = Ready::new(&attempt);
        let value = json!({
            "script": format!("trap '' TERM\n{stray}\nwhile :; do sleep 1000 & wait $! || :; done"),
            "env": { "READY": ready.path() },
        });
        let task = attempt.parse(kind(), &value).task();
        let context = attempt.context();
        tokio::select! {
            _ = task.run(&context) => panic!("{name}: it never ends"),
            () = ready.wait(1) => {}
        }
        // SIGKILL takes its moment.
        let began = Instant::now();
        while !alive(&attempt).is_empty() {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{name}: {:?}",
                alive(&attempt)
            );
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_attempt_ends_the_orphans_of_the_last() {
    for prefix in [None, Some("/"), Some("/task/")] {
        let attempt = Attempt::new();
        let mut ready = Ready::new(&attempt);
        // What a killed runner leaves: a process with the mark of the first attempt.
        let mut orphan = std::process::Command::new("sh")
            .args([
                "-c",
                "trap '' TERM; echo -n r > \"$0\"; while :; do sleep 1000; done",
            ])
            .arg(ready.path())
            .env(
                "RUNNER_ATTEMPT_ID",
                format!("other,{}/task/0#1", attempt.id.run),
            )
            .env("RUNNER_RUN_ID", attempt.id.run.as_str())
            .spawn()
            .unwrap();
        ready.wait(1).await;
        let grace = Duration::from_millis(50);
        if let Some(prefix) = prefix {
            let prefix = format!("{}{prefix}", attempt.id.run);
            let log = attempt.context().log;
            timeout(
                LIMIT,
                runner::task::shell::end_orphans(&prefix, grace, &log),
            )
            .await
            .unwrap()
            .unwrap();
        } else {
            let value = json!({ "script": "echo second", "grace": "50ms" });
            run(&attempt.clone().number(2), &value).await.unwrap();
        }
        orphan.wait().unwrap();
        assert_eq!(alive(&attempt), Vec::<String>::new());
        assert!(attempt.log()[0].contains("processes of an earlier attempt"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_and_holds_no_memory() {
    // In a process of its own, so that no other test's memory counts.
    let me = std::env::current_exe().unwrap();
    let child = tokio::process::Command::new(me)
        .args(["--exact", "shell::flood", "--ignored", "--nocapture"])
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, child)
        .await
        .expect("the flood never ends")
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[tokio::test]
#[ignore = "run in a process of its own by the test above"]
async fn flood() {
    let attempt = Attempt::new();
    run(&attempt, &json!("echo warm")).await.unwrap();
    let before = peak_memory();
    for script in [
        "head -c 200000000 /dev/zero | tr '\\0' 'x'",
        "yes 0123456789 | head -c 200000000; yes err | head -c 20000000 >&2",
    ] {
        run(&attempt, &json!(script)).await.unwrap();
    }
    let grown = peak_memory() - before;
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    let log = attempt.log();
    assert_eq!(
        log.iter()
            .filter(|line| line.contains("the log is full at 1048576 bytes"))
            .count(),
        2
    );
    assert!(log.iter().map(String::len).sum::<usize>() < 3 << 20);
}

/// Most bytes that this process has had in memory.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn mistakes_are_found_before_a_run() {
    let attempt = Attempt::new()
        .with("params", json!({ "day": "2026-08-20" }))
        .file("scripts/load.sh", "true");
    let mut text = String::new();
    for value in [
        json!(5),
        json!({}),
        json!({ "scirpt": "true" }),
        json!({ "script": "a", "file": "scripts/load.sh" }),
        json!({ "file": "scripts/laod.sh" }),
        json!({ "script": "a", "shell": "bsh" }),
        json!({ "script": "a", "shell": "fish" }),
        json!({ "command": ["a"], "shell": "sh" }),
        json!({ "command": [] }),
        json!({ "command": "ls -l" }),
        json!({ "command": ["{{ params.dya }}"] }),
        json!("load --day {{ params.day }} --last {{ params.day | shift('-1d') }}"),
        json!({ "script": "echo {{ item }}" }),
        json!({ "script": "a", "env": { "A-B": "x", "RUNNER_TASK": "x", "OK": "{{ params.no }}" } }),
        json!({ "script": "a", "env": { "A": [1], "B": null, "C": true, "D": 1.50 } }),
        json!({ "script": "a", "accept": 256 }),
        json!({ "script": "a", "accept": [] }),
        json!({ "script": "a", "accept": [0, 99], "skip": 99 }),
        json!({ "script": "a", "grace": 10 }),
        json!({ "script": "a", "directory": "nowhere" }),
    ] {
        let parsed = attempt.parse(kind(), &value);
        text.push_str(&format!("{value}\n{}\n", parsed.messages()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn braces_of_others_are_no_mistake() {
    for script in [
        "docker ps --format '{{.Names}}'",
        "docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' x",
        "echo ${a:-{}}",
        "awk '{print}' f | jq '{a: {b: 1}}'",
    ] {
        let messages = Attempt::new().parse(kind(), &json!(script)).messages();
        assert_eq!(messages, "", "{script}");
    }
}

#[tokio::test]
#[ignore = "a figure, not a test: run it by hand"]
async fn speed_of_a_chain() {
    let attempt = Attempt::new();
    let task = attempt.parse(kind(), &json!("true")).task();
    let context = attempt.context();
    for _ in 0..3 {
        let began = Instant::now();
        for _ in 0..200 {
            task.run(&context).await.unwrap();
        }
        let own = began.elapsed() / 200;
        let began = Instant::now();
        for _ in 0..200 {
            std::process::Command::new("/bin/sh")
                .args(["-c", "true"])
                .status()
                .unwrap();
        }
        println!("a task {own:?}, a bare process {:?}", began.elapsed() / 200);
    }
}

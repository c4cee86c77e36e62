//! Nothing survives its script, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::time::timeout;

use super::{LIMIT, kind, run};
use crate::support::attempt::Attempt;
use crate::support::eventually::{eventually, so};

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
        eventually(async || {
            let alive = alive(&attempt);
            so(alive.is_empty(), || format!("{name}: {alive:?}"))
        })
        .await;
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
async fn the_orphans_of_a_killed_process_are_found() {
    let me = std::env::current_exe().unwrap();
    let mut victim = tokio::process::Command::new(me)
        .args([
            "--exact",
            "shell::survival::victim",
            "--ignored",
            "--nocapture",
        ])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::BufReader::new(victim.stdout.take().unwrap()).lines();
    let run_id = timeout(LIMIT, async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, id)) = line.split_once("started in run ") {
                return id.to_owned();
            }
        }
    })
    .await
    .expect("the victim never starts");
    victim.kill().await.unwrap();

    let mut attempt = Attempt::new().number(2);
    attempt.id.run = runner::model::RunId::new(&run_id).unwrap();
    assert_eq!(alive(&attempt).len(), 3, "{:?}", alive(&attempt));
    run(&attempt, &json!({ "script": "true", "grace": "50ms" }))
        .await
        .unwrap();
    assert_eq!(alive(&attempt), Vec::<String>::new());
    // What the victim could not remove itself.
    fs::remove_dir_all(std::env::temp_dir().join(run_id)).unwrap();
}

#[tokio::test]
#[ignore = "killed by the test above"]
async fn victim() {
    let attempt = Attempt::new();
    let mut ready = Ready::new(&attempt);
    let value = json!({
        "script": "setsid sh -c 'trap \"\" TERM; echo -n r > $READY; sleep 1000; true' & wait",
        "env": { "READY": ready.path() },
    });
    let task = attempt.parse(kind(), &value).task();
    let context = attempt.context();
    let announced = async {
        ready.wait(1).await;
        eventually(async || so(alive(&attempt).len() >= 3, || "three processes")).await;
        println!("started in run {}", attempt.id.run);
        std::future::pending::<()>().await;
    };
    // Nobody kills it when it is run by hand.
    let _ = timeout(LIMIT, async {
        tokio::select! {
            _ = task.run(&context) => {}
            () = announced => {}
        }
    })
    .await;
}

//! The task that runs a script or a program.
//!
//! A script is over when its own process has ended: whatever it leaves running is ended with it.
//! Everything it starts runs in one process group and carries a mark in its environment, by which
//! it is found even when it has left the group (`survivors`).

mod definition;
mod failure;
mod interpreter;
mod output;
mod process;
mod results;
mod script;
mod survivors;
mod variables;

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use async_trait::async_trait;

use self::definition::{Program, Shell};
use self::interpreter::Arguments;
use self::output::Output;
use self::process::Running;
use super::{
    AttemptContext, Guarantee, Log, Metrics, Rendered, Surroundings, Task, TaskFailure, TaskKind,
    TaskOutput, TaskResult,
};
use crate::document::Node;
use crate::failpoint::{self, Point};

pub(super) const KIND: TaskKind = TaskKind {
    name: "shell",
    doc: DOC,
    example: EXAMPLE,
    schema: definition::schema,
    parse,
};

const DOC: &str = "\
Runs a script or a program. A text is a script for `/bin/sh`, which stops at the first command that fails \
(`-e`; bash, zsh and ksh with `pipefail`, too). Values come to it as environment variables (`env`), never as \
text of the script. It inherits the runner's environment, and gets `RUNNER_RUN_ID`, `RUNNER_DAG`, \
`RUNNER_TASK`, `RUNNER_ATTEMPT` (1, 2, …), `RUNNER_ITEM` (JSON), `RUNNER_DATA_INTERVAL_START` and `…_END`, \
`RUNNER_IDEMPOTENCY_KEY` (the same for all attempts) and `RUNNER_OUTPUTS`: the path of a file for its outputs, \
lines of `name=value` (texts) or one JSON object, at most 256 KiB. Its standard input is empty.

Another exit code than those in `accept` is a failure worth a retry; a command that doesn't exist isn't. \
When the task is cancelled or out of time, all its processes get SIGTERM, and SIGKILL after `grace`. \
Processes that a script leaves in the background are ended when the script is. On Linux they are found even \
when they have left its process group, unless they run as another user or have cleared their environment.";

const EXAMPLE: &str = "\
dag: example
params: { day: 2026-08-20 }
tasks:
  hello:
    shell: echo hello
  count:
    shell:
      script: |
        lines=$(seq 10 | wc -l)
        echo \"$lines lines on $DAY\"
        echo \"lines=$lines\" >> \"$RUNNER_OUTPUTS\"
      env: { DAY: \"{{ params.day }}\" }
  report:
    needs: [hello, count]
    shell:
      command: [printf, '%s lines\\n', \"{{ tasks.count.outputs.lines }}\"]
";

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    definition::read(node, surroundings).map(|shell| Box::new(shell) as Box<dyn Task>)
}

#[async_trait]
impl Task for Shell {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        if attempt.cancel.is_cancelled() {
            return Err(TaskFailure::retryable("cancelled before it began"));
        }
        let mark = format!("{}#{}", attempt.idempotency_key(), attempt.id.fence);
        if attempt.id.fence > 1 {
            // The attempt before may have lost its runner before its processes were ended.
            end_earlier_attempts(attempt, &mark, self.grace).await?;
        }
        let files = Files::new(attempt).map_err(|error| {
            TaskFailure::retryable(format!("no temporary file can be made: {error}"))
        })?;
        let mut command = self.command(attempt, &files)?;
        variables::set(&mut command, attempt, &mark, &files.outputs, &self.env)?;
        let directory = self.directory(attempt)?;
        command.current_dir(&directory);
        let started = Running::start(&mut command, &mark);
        // While the child begins: a short command doesn't wait for it.
        attempt.log.rendered(|| self.rendered(&command, &directory));
        let (running, pipes) = started.map_err(|error| {
            if directory.is_dir() {
                failure::of_spawn(&error, &command.get_program().to_string_lossy())
            } else {
                TaskFailure::permanent(format!(
                    "directory `{}` doesn't exist, or is none",
                    directory.display()
                ))
            }
        })?;
        failpoint::pass(Point::AfterSpawn);
        let mut output = Output::new(pipes, &attempt.log).map_err(broken)?;
        let ended = tokio::select! {
            ended = self.until_ended(&running, attempt) => ended,
            () = output.pump() => unreachable!("it never ends"),
        };
        let cancelled = ended.map_err(broken)?;
        let status = running.reap().map_err(broken)?;
        let tail = output.finish();
        let Some(status) = status else {
            return Err(TaskFailure::retryable("its process can't be ended"));
        };
        if cancelled {
            return Err(TaskFailure::retryable(cancelled_message(status)));
        }
        self.judge(status, &tail, &files)
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce {
            reason:
                "what a script does can't be taken back: after a crash it runs again, with the \
                     same `RUNNER_IDEMPOTENCY_KEY`"
                    .to_owned(),
        }
    }
}

impl Shell {
    /// Waits for the end of the script and all its processes; says whether it was cancelled.
    async fn until_ended(&self, running: &Running, attempt: &AttemptContext) -> io::Result<bool> {
        tokio::select! {
            biased;
            ended = running.leader_ended() => {
                ended?;
                running.end_leftovers(self.grace, &attempt.log).await?;
                Ok(false)
            }
            () = attempt.cancel.cancelled() => {
                running.end(self.grace, &attempt.log).await?;
                Ok(true)
            }
        }
    }

    fn command(&self, attempt: &AttemptContext, files: &Files) -> Result<Command, TaskFailure> {
        let (text, launcher, path) = match &self.program {
            Program::Command(words) => {
                let words: Result<Vec<String>, String> = words
                    .iter()
                    .map(|word| variables::render(word, &attempt.scope))
                    .collect();
                let mut words = words.map_err(TaskFailure::permanent)?.into_iter();
                let mut command = Command::new(words.next().unwrap_or_default());
                command.args(words);
                return Ok(command);
            }
            Program::Script {
                text,
                launcher,
                path,
            } => (text, launcher, path),
        };
        let name = match path {
            Some(path) if self.directory.is_some() => absolute(&attempt.places.root.join(path))
                .display()
                .to_string(),
            Some(path) => path.clone(),
            None => attempt.task.to_string(),
        };
        let mut command = Command::new(&launcher.program);
        match launcher.arguments(text, &name, path.is_some()) {
            Arguments::Inline(arguments) => command.args(arguments),
            Arguments::File(arguments) => {
                std::fs::write(&files.script, text.as_bytes()).map_err(|error| {
                    TaskFailure::retryable(format!("the script can't be written: {error}"))
                })?;
                command.args(arguments).arg(&files.script)
            }
        };
        Ok(command)
    }

    /// The command as it is started, with the variables that the pipeline sets.
    fn rendered(&self, command: &Command, directory: &Path) -> Rendered {
        let word = |word: &OsStr| quoted(&word.to_string_lossy());
        let arguments = || command.get_args().map(word);
        let program = word(command.get_program());
        let (head, body) = match &self.program {
            Program::Command(_) => (
                std::iter::once(program).chain(arguments()).collect(),
                String::new(),
            ),
            Program::Script { text, .. } => {
                // The script stands below, not once more as an argument.
                let arguments = arguments().filter(|one| *one != quoted(text));
                let head: Vec<String> = std::iter::once(program).chain(arguments).collect();
                (head, format!("\n{text}"))
            }
        };
        let place = directory.display().to_string();
        let mut rendered = Rendered::new("shell", place, format!("{}{body}", head.join(" ")));
        for (name, _) in &self.env {
            let set = command.get_envs().find(|(own, _)| *own == OsStr::new(name));
            let value = set.and_then(|(_, value)| value).unwrap_or_default();
            rendered = rendered.with(name, value.to_string_lossy());
        }
        rendered
    }

    fn directory(&self, attempt: &AttemptContext) -> Result<PathBuf, TaskFailure> {
        let root = absolute(&attempt.places.root);
        let Some(template) = &self.directory else {
            return Ok(root);
        };
        let path = variables::render(template, &attempt.scope)
            .map_err(|error| TaskFailure::permanent(format!("`directory`: {error}")))?;
        Ok(root.join(path))
    }

    fn judge(&self, status: ExitStatus, tail: &[String], files: &Files) -> TaskResult {
        let code = status.code();
        let is =
            |codes: &[u8]| code.is_some_and(|code| codes.iter().any(|c| i32::from(*c) == code));
        let skipped = is(self.skip.as_slice());
        if !skipped && !is(&self.accept) {
            let shell = match &self.program {
                Program::Script { launcher, .. } => launcher.is_shell(),
                Program::Command(_) => false,
            };
            let (kind, mut message) = failure::of_status(status, shell);
            for line in tail {
                message.push('\n');
                message.push_str(line);
            }
            return Err(TaskFailure::new(kind, message));
        }
        Ok(TaskOutput {
            outputs: results::take(&files.outputs).map_err(TaskFailure::permanent)?,
            dataset: None,
            metrics: Metrics {
                summary: code
                    .filter(|code| *code != 0)
                    .map(|code| format!("exit code {code}")),
                ..Metrics::default()
            },
            skipped,
        })
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The folder of temporary files, in the state folder.
const TEMPORARY: &str = "tmp";

/// The temporary files of an attempt: named after it, made when they are needed, removed with this.
struct Files {
    outputs: PathBuf,
    script: PathBuf,
}

impl Files {
    fn new(attempt: &AttemptContext) -> io::Result<Self> {
        let folder = absolute(&attempt.places.state).join(TEMPORARY);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let key = attempt.ledger_key();
        let fence = attempt.id.fence;
        let name = format!("{}.{}.{}.{fence}", key.run, key.task, key.item);
        Ok(Self {
            outputs: folder.join(format!("{name}.outputs")),
            script: folder.join(format!("{name}.script")),
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        results::discard(&self.outputs);
        results::discard(&self.script);
    }
}

/// Removes what the attempts of a run have left in the state folder, whose runner was killed before
/// it could. Only for runs of which no attempt is alive.
///
/// # Errors
/// When the files can't be removed.
pub fn remove_leftovers(state: &Path, run: &str) -> io::Result<()> {
    let entries = match std::fs::read_dir(absolute(state).join(TEMPORARY)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let of_run = name.to_str().and_then(|name| name.strip_prefix(run));
        if of_run.is_some_and(|rest| rest.starts_with('.')) {
            let path = entry.path();
            results::discard(&path);
        }
    }
    Ok(())
}

/// Ends the processes that scripts have left running because their runner was killed (SIGKILL, a
/// crash): those of all attempts whose `RUNNER_ATTEMPT_ID` begins with `prefix`, such as `run/` or
/// `run/task/`. SIGTERM, after `grace` SIGKILL. For the recovery of runs that won't be continued;
/// an attempt does it for its own predecessors when it starts.
///
/// # Errors
/// The processes that still live a second after SIGKILL; or why they can't be looked for.
pub async fn end_orphans(prefix: &str, grace: Duration, log: &Log) -> io::Result<()> {
    match process::end_others(prefix, "", grace, log).await? {
        None => Ok(()),
        Some(left) => Err(io::Error::other(format!(
            "processes can't be ended: {left}"
        ))),
    }
}

async fn end_earlier_attempts(
    attempt: &AttemptContext,
    mark: &str,
    grace: Duration,
) -> Result<(), TaskFailure> {
    // Of every generation: a person may have cleared the task since.
    let key = attempt.idempotency_key();
    let prefix = key.rfind('/').map_or(key.as_str(), |at| &key[..=at]);
    match process::end_others(prefix, mark, grace, &attempt.log).await {
        Ok(None) => Ok(()),
        Ok(Some(left)) => Err(TaskFailure::retryable(format!(
            "processes of an earlier attempt can't be ended: {left}"
        ))),
        Err(error) => Err(broken(error)),
    }
}

fn cancelled_message(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("cancelled, ended by {}", failure::signal_name(signal)),
        (None, Some(code)) => format!("cancelled, ended with exit code {code}"),
        (None, None) => "cancelled".to_owned(),
    }
}

/// The system refuses what it never refuses.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broken(error: io::Error) -> TaskFailure {
    TaskFailure::retryable(format!("its process can't be followed: {error}"))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

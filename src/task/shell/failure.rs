//! What the end of a script means.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::model::FailureKind;
use crate::task::TaskFailure;

/// A failure from an exit status that isn't accepted. `shell` says that a shell gave the code, so
/// that the codes above 125 mean what POSIX says.
pub(super) fn of_status(status: ExitStatus, shell: bool) -> (FailureKind, String) {
    if let Some(signal) = status.signal() {
        let mut message = format!("killed by {}", signal_name(signal));
        if signal == Signal::SIGKILL as i32 {
            message.push_str(": perhaps the system ran out of memory");
        }
        return (FailureKind::Retryable, message);
    }
    let code = status.code().unwrap_or(-1);
    match code {
        126 if shell => (
            FailureKind::Permanent,
            "exit code 126: a command can't be executed".to_owned(),
        ),
        127 if shell => (
            FailureKind::Permanent,
            "exit code 127: a command was not found".to_owned(),
        ),
        129..=192 if shell => (
            FailureKind::Retryable,
            format!(
                "exit code {code}: a command was killed by {}",
                signal_name(code - 128)
            ),
        ),
        _ => (FailureKind::Retryable, format!("exit code {code}")),
    }
}

/// The name of a signal, such as `SIGSEGV`.
pub(super) fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |s| s.as_str().to_owned())
}

/// Why a program could not be started.
pub(super) fn of_spawn(error: &std::io::Error, program: &str) -> TaskFailure {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => TaskFailure::permanent(format!(
            "program `{program}` was not found: install it, or give its path"
        )),
        ErrorKind::PermissionDenied => TaskFailure::permanent(format!(
            "program `{program}` can't be executed: permission denied; is it a program, and has \
             it been made executable with `chmod +x`?"
        )),
        ErrorKind::ArgumentListTooLong => TaskFailure::permanent(format!(
            "program `{program}` can't be started: its arguments and environment are too long; \
             pass large values in a file"
        )),
        ErrorKind::InvalidInput => TaskFailure::permanent(format!(
            "program `{program}` can't be started: an argument or a variable holds a NUL character"
        )),
        _ if error.raw_os_error() == Some(nix::libc::ENOEXEC) => TaskFailure::permanent(format!(
            "program `{program}` can't be executed: a script needs a `#!` line, or `file:` \
             instead of `command:`"
        )),
        _ => TaskFailure::retryable(format!("program `{program}` can't be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_named() {
        use FailureKind::{Permanent, Retryable};
        for (raw, shell, kind, text) in [
            (3 << 8, true, Retryable, "exit code 3"),
            (
                127 << 8,
                true,
                Permanent,
                "exit code 127: a command was not found",
            ),
            (127 << 8, false, Retryable, "exit code 127"),
            (
                126 << 8,
                true,
                Permanent,
                "exit code 126: a command can't be executed",
            ),
            (
                139 << 8,
                true,
                Retryable,
                "exit code 139: a command was killed by SIGSEGV",
            ),
            (11, true, Retryable, "killed by SIGSEGV"),
            (
                9,
                false,
                Retryable,
                "killed by SIGKILL: perhaps the system ran out of memory",
            ),
            (255 << 8, true, Retryable, "exit code 255"),
        ] {
            let found = of_status(ExitStatus::from_raw(raw), shell);
            assert_eq!(found, (kind, text.to_owned()), "{raw}");
        }
    }
}

//! Secrets that a program prints: a password manager's, a cloud's.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a program may take; a person may have to touch a key.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest secret, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Runs a line in the shell and gives what it prints, without the newline at the end. Its standard
/// error goes to ours.
///
/// # Errors
/// Why there is no secret: it failed, took over 30 s, printed nothing or no text.
pub fn secret_of_command(line: &str) -> Result<String, String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the shell can't be started: {error}"))?;
    let Some(stdout) = child.stdout.take() else {
        return Err("its output can't be read".to_owned());
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(LONGEST + 1).read_to_end(&mut bytes);
        // Nobody listens any more after the time is up.
        let _ = sender.send(read.map(|_| bytes));
    });
    let Ok(read) = receiver.recv_timeout(PATIENCE) else {
        // Best effort: it may have ended just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it took over {} s", PATIENCE.as_secs()));
    };
    // Whoever prints more is cut off, and may die of that: the length comes first.
    if let Ok(bytes) = &read
        && bytes.len() as u64 > LONGEST
    {
        let _ = child.wait();
        return secret_of_bytes(bytes.clone());
    }
    let status = child
        .wait()
        .map_err(|error| format!("its end can't be seen: {error}"))?;
    if !status.success() {
        return Err(match status.code() {
            Some(code) => format!("it ended with exit status {code}"),
            None => "it was ended by a signal".to_owned(),
        });
    }
    let bytes = read.map_err(|error| format!("its output can't be read: {error}"))?;
    secret_of_bytes(bytes)
}

/// The text of a secret that was read from somewhere, without the newline at its end.
///
/// # Errors
/// It is empty, too long or no UTF-8.
pub fn secret_of_bytes(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() as u64 > LONGEST {
        return Err(format!("it is longer than {} KiB", LONGEST / 1024));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_print_secrets_or_fail() {
        for (line, expected) in [
            ("echo hush", Ok("hush")),
            ("printf 'two\\nlines\\n'", Ok("two\nlines")),
            ("exit 3", Err("exit status 3")),
            ("true", Err("empty")),
            ("kill -9 $$", Err("by a signal")),
            ("printf '\\377'", Err("UTF-8")),
            ("head -c 70000 /dev/zero", Err("longer than 64 KiB")),
        ] {
            match (secret_of_command(line), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{line}"),
                (Err(found), Err(part)) => assert!(found.contains(part), "{line}: {found}"),
                (found, _) => panic!("{line}: {found:?}"),
            }
        }
    }
}

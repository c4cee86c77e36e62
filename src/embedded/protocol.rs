//! The one line that a supervisor says to each client.

use std::io::{self, BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

/// A supervisor's answer: a line of JSON. A client says nothing; it is there until it hangs up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The server accepts connections. How to reach it is the kind's own business.
    Ready(serde_json::Value),
    /// There will be no server. The text is for a person.
    Failed(String),
    /// The server has ended by itself; the next supervisor may have more luck. The text is for a
    /// person.
    Ended(String),
}

/// No answer is longer, in bytes: what speaks longer is no supervisor.
const MAX_LENGTH: u64 = 64 * 1024;

impl Answer {
    pub(super) fn to_line(&self) -> String {
        // A value of strings and numbers always has a JSON form.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Waits for the answer; `None` when the supervisor hung up without one.
    pub(super) fn read(stream: impl Read) -> io::Result<Option<Self>> {
        let mut line = String::new();
        match BufReader::new(stream.take(MAX_LENGTH)).read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => Ok(Some(serde_json::from_str(&line)?)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_its_line_and_half_a_line_is_none() {
        let answers = [
            Answer::Ready(serde_json::json!({ "port": 1 })),
            Answer::Failed("two\nlines".to_owned()),
            Answer::Ended("again".to_owned()),
        ];
        for answer in answers {
            let line = answer.to_line();
            assert_eq!(line.matches('\n').count(), 1);
            let read = Answer::read(line.as_bytes()).expect("valid");
            assert_eq!(read, Some(answer));
            let half = &line.as_bytes()[..line.len() / 2];
            assert_eq!(Answer::read(half).expect("cut"), None);
        }
        assert_eq!(Answer::read(&b""[..]).expect("empty"), None);
        assert!(Answer::read(&b"hello\n"[..]).is_err());
    }
}

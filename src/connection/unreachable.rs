//! Why a server isn't reached, and what helps: the same words for all kinds of connections.

/// What helps against a cause, known by the words that the system and the libraries have for it.
fn advice(cause: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if has(&["onnection refused"]) {
        Some("nothing listens there: start the server, or mend the connection's address")
    } else if has(&[
        "lookup address",
        "Failed to resolve",
        "Name or service not known",
    ]) {
        Some("there is no host of this name: mend the connection's address")
    } else if has(&["No such file or directory"]) {
        Some("no server has its socket there: start it, or mend the connection's address")
    } else if has(&["timed out", "no connection within", "unreachable"]) {
        Some("a firewall may be between, or the connection's address is wrong")
    } else {
        None
    }
}

/// A cause with what helps against it.
pub(super) fn advised(mut message: String) -> String {
    if let Some(advice) = advice(&message) {
        message.push_str("; ");
        message.push_str(advice);
    }
    message
}

/// That there is no connection to a place such as `host:port`.
pub(super) fn no_connection(place: &str, cause: &str) -> String {
    advised(format!("no connection to {place}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_comes_with_what_helps() {
        for (cause, expected) in [
            (
                "Connection refused (os error 111)",
                "no connection to h:1: Connection refused (os error 111); nothing listens there: start the server, or mend the connection's address",
            ),
            (
                "failed to lookup address information: Name or service not known",
                "no connection to h:1: failed to lookup address information: Name or service not known; there is no host of this name: mend the connection's address",
            ),
            (
                "Connection reset by peer",
                "no connection to h:1: Connection reset by peer",
            ),
        ] {
            assert_eq!(no_connection("h:1", cause), expected);
        }
    }
}

//! Why a try of a request failed, and what that means for another one.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::network::Refused;
use crate::model::Timestamp;

/// A try that gave no answer worth reading.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// Another try may have more luck.
    pub(super) transient: bool,
    /// The server has seen nothing of the request: it may be sent again, whatever it is.
    pub(super) unsent: bool,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// Another try can't help.
    pub(super) fn permanent(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            transient: false,
            unsent: false,
            status: None,
            retry_after: None,
        }
    }

    /// Another try may help.
    pub(super) fn transient(reason: impl Into<String>) -> Self {
        Self {
            transient: true,
            ..Self::permanent(reason)
        }
    }

    /// The attempt is to end.
    pub(super) fn cancelled() -> Self {
        Self::permanent("the attempt was cancelled")
    }

    /// Why the library gave no answer.
    pub(super) fn of_library(error: &reqwest::Error, connect_timeout: Duration) -> Self {
        if let Some(refused) = find::<Refused>(error) {
            return Self::permanent(refused.to_string());
        }
        if let Some(error) = find::<rustls::Error>(error) {
            return Self::of_tls(error);
        }
        let mut failure = if error.is_builder() {
            Self::permanent(reason(error))
        } else if error.is_connect() && error.is_timeout() {
            let seconds = crate::document::units::format_duration(connect_timeout);
            Self::transient(format!("no connection within {seconds}"))
        } else {
            Self::transient(reason(error))
        };
        failure.unsent = error.is_connect();
        failure
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let mut failure = match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
                Self::permanent(
                    "the server's certificate is of an unknown authority: name it with `tls: { ca: … }`",
                )
            }
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::AlertReceived(_)
            | rustls::Error::PeerIncompatible(_) => Self::permanent(format!("TLS: {error}")),
            _ => Self::transient(format!("TLS: {error}")),
        };
        failure.unsent = true;
        failure
    }
}

/// Whether a status says that the same request may have more luck later.
pub(super) fn is_transient(status: u16) -> bool {
    // 420: "enhance your calm", as some say instead of 429. 501 and 505 don't get better.
    matches!(status, 408 | 420 | 425 | 429 | 500 | 502..=504 | 506..=599)
}

/// How long `Retry-After` asks to wait: seconds, or a date that is measured against the server's own
/// `Date`, else against the clock (RFC 9110, section 10.2.3). What is neither counts as absent.
pub(super) fn retry_after(value: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let now = date
        .and_then(|date| httpdate::parse_http_date(date.trim()).ok())
        .unwrap_or_else(|| now.into());
    Some(at.duration_since(now).unwrap_or_default())
}

/// The error of a type, anywhere among the causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = cause(error);
    }
    None
}

/// The next cause. An `io::Error` shows what it wraps as itself and gives only what lies below.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        return Some(inner);
    }
    error.source()
}

/// What happened, without the layers that only say that something did.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let library = error.downcast_ref::<reqwest::Error>();
        // Its own text is "error sending request for url (…)": the URL may hold a secret.
        if library.is_none() || error.source().is_none() {
            let text = library.map_or_else(|| error.to_string(), |_| "no answer".to_owned());
            let layer = text.starts_with("client error (") || text == "tcp connect error";
            if !layer && !texts.iter().any(|seen| seen.contains(&text)) {
                texts.push(text);
            }
        }
        next = cause(error);
    }
    texts.truncate(3);
    if texts.is_empty() {
        return "no answer".to_owned();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
        let date = "Sat, 21 Nov 2026 11:00:00 GMT";
        for (value, server, expected) in [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("99999999999999999999999", None, Some(u64::MAX)),
            ("Sat, 21 Nov 2026 11:00:30 GMT", None, Some(30)),
            ("Sat, 21 Nov 2026 10:00:00 GMT", None, Some(0)),
            // The server's clock is ten minutes behind ours, and both of its dates are its own.
            ("Sat, 21 Nov 2026 11:00:30 GMT", Some(date), Some(30)),
            ("Saturday, 21-Nov-26 11:00:30 GMT", None, Some(30)),
            ("Sat Nov 21 11:00:30 2026", None, Some(30)),
            ("-5", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("", None, None),
        ] {
            let seconds = retry_after(value, server, now).map(|wait| wait.as_secs());
            assert_eq!(seconds, expected, "{value}");
        }
    }

    #[test]
    fn statuses_are_transient_by_their_meaning() {
        for (status, expected) in [
            (400, false),
            (401, false),
            (404, false),
            (408, true),
            (409, false),
            (420, true),
            (425, true),
            (429, true),
            (500, true),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
            (505, false),
            (520, true),
            (599, true),
        ] {
            assert_eq!(is_transient(status), expected, "{status}");
        }
    }
}

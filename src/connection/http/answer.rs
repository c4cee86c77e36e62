//! The answer of a server: one to read, or why not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Response, Url};

use super::address::shown;
use super::body::{HttpStream, Limits, over};
use super::call::Call;
use super::cause::{Failure, is_transient, retry_after};
use super::journal::Journal;
use super::tries::Budget;
use super::unpack::packings;
use super::{HttpHead, HttpMethod, HttpResponse};

/// How much of the body of a failure is read, for its message.
const EXCERPT: usize = 2048;
/// And for how long.
const PATIENCE: Duration = Duration::from_secs(2);

impl Call<'_> {
    /// An answer of an accepted status, whose body is still to be read.
    pub(super) fn answer(
        &self,
        (method, url): (HttpMethod, &Url),
        response: Response,
        mut journal: Journal,
        budget: &Budget,
    ) -> Result<HttpResponse, Failure> {
        let status = response.status().as_u16();
        let length = response.content_length();
        let packed = response.headers().get_all(header::CONTENT_ENCODING);
        let packed: Vec<&str> = packed
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        // What has no body isn't packed, whatever it says.
        let empty = method == HttpMethod::Head || matches!(status, 204 | 304) || length == Some(0);
        let limits = Limits {
            left: budget.left,
            read_timeout: self.read_timeout(),
            bytes: self.body_limit(),
            repeatable: self.request.may_repeat(),
        };
        let layers = match packings(&packed.join(",")) {
            _ if empty => Ok(Vec::new()),
            _ if length.is_some_and(|length| length > limits.bytes) => Err(over(limits.bytes)),
            layers => layers.map_err(Failure::permanent),
        };
        let layers = layers.inspect_err(|failure| journal.end(0, Some(&failure.reason)))?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter();
        let head = HttpHead {
            status,
            headers: headers
                .map(|(key, value)| (key.as_str().to_owned(), text(value)))
                .collect(),
            url: self.around.masker.mask(&shown(url)),
            location: url.clone(),
        };
        Ok(HttpResponse {
            head,
            body: HttpStream::new(response, &layers, &limits, self.around, journal),
        })
    }

    /// An answer of a status that isn't accepted, with the beginning of what it says.
    pub(super) async fn refused(
        &self,
        mut response: Response,
        mut journal: Journal,
        budget: &mut Budget,
    ) -> Failure {
        let status = response.status();
        let text = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let wait = text(header::RETRY_AFTER).and_then(|value| {
            let date = text(header::DATE);
            retry_after(&value, date.as_deref(), (self.around.clock)())
        });
        let packed = response.headers().contains_key(header::CONTENT_ENCODING);
        let mut body = Vec::new();
        let read = async {
            while body.len() < EXCERPT
                && let Ok(Some(chunk)) = response.chunk().await
            {
                body.extend_from_slice(&chunk);
            }
        };
        // What can't be read in time is left out.
        let read = tokio::time::timeout(PATIENCE.min(self.read_timeout()), read);
        let _ = budget.spend(read, self.around).await;
        journal.wire.fetch_add(body.len() as u64, Ordering::Relaxed);
        journal.end(body.len() as u64, None);
        let phrase = status.canonical_reason().unwrap_or_default();
        let mut reason = format!("it answered {} {phrase}", status.as_u16());
        reason.truncate(reason.trim_end().len());
        let excerpt = if packed {
            String::new()
        } else {
            excerpt(&body)
        };
        if !excerpt.is_empty() {
            reason.push_str(&format!(": {excerpt}"));
        }
        Failure {
            transient: is_transient(status.as_u16()),
            status: Some(status.as_u16()),
            retry_after: wait,
            ..Failure::permanent(reason)
        }
    }
}

/// The beginning of a text, in one line; nothing of what is no text.
fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 300;
    let text = String::from_utf8_lossy(body);
    if text.contains('\0') {
        return String::new();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

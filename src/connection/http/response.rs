//! What is answered.

use bytes::Bytes;

use super::{HttpError, HttpStream};

/// Status and headers of an answer.
#[derive(Debug, Clone)]
pub struct HttpHead {
    pub status: u16,
    /// In the server's order, names in lower case. Bytes that aren't UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// Where the answer came from, after redirects; secrets masked.
    pub url: String,
    pub(super) location: reqwest::Url,
}

impl HttpHead {
    /// The first header of a name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(found)
            .map(|(_, value)| value.as_str())
    }

    /// All headers of a name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The whole URL that a link in this answer means (RFC 3986, section 5), as
    /// [`HttpRequest::target`](super::HttpRequest::target) takes it.
    ///
    /// # Errors
    /// It is no link.
    pub fn resolve(&self, link: &str) -> Result<String, HttpError> {
        let joined = self.location.join(link).map_err(|error| {
            HttpError::permanent(format!("{} gave the link `{link}`: {error}", self.url))
        })?;
        Ok(joined.into())
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct HttpResponse {
    pub head: HttpHead,
    pub body: HttpStream,
}

impl HttpResponse {
    /// Reads the rest into memory.
    ///
    /// # Errors
    /// The body is longer than `limit` bytes, or can't be read to its end.
    pub async fn whole(mut self, limit: u64) -> Result<(HttpHead, Bytes), HttpError> {
        let bytes = self.body.whole(limit).await?;
        Ok((self.head, bytes))
    }
}

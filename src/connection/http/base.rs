//! What the paths of requests are below.

use reqwest::Url;

use super::HttpError;
use super::exchange::LocalExchange;

/// Where an API is.
#[derive(Debug)]
pub(super) enum Base {
    /// Nowhere in particular: requests have whole URLs.
    Anywhere,
    /// Without name, password, query and fragment.
    Url(Url),
    /// On this machine, as long as it is needed.
    Exchange(LocalExchange),
}

impl Base {
    /// Its URL, when it has one.
    ///
    /// # Errors
    /// It can't be reached now.
    pub(super) async fn url(&self) -> Result<Option<Url>, HttpError> {
        match self {
            Self::Anywhere => Ok(None),
            Self::Url(url) => Ok(Some(url.clone())),
            Self::Exchange(exchange) => exchange.url().await.map(Some),
        }
    }
}

/// What a base URL says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BaseUrl {
    pub(super) url: Url,
    /// The name and the password that stood in it, decoded.
    pub(super) user: Option<(String, String)>,
}

/// Reads a base URL.
///
/// # Errors
/// What is wrong with it; its text, which may hold a password, isn't repeated.
pub(super) fn read_base(text: &str) -> Result<BaseUrl, &'static str> {
    let wrong = "expected a URL such as `https://api.example.com/v3`";
    let mut url = Url::parse(text).map_err(|_| wrong)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong);
    }
    if url.query().is_some() {
        return Err("a base URL has no `?`: parameters for every request go to `query:`");
    }
    if url.fragment().is_some() {
        return Err("a base URL has no `#`");
    }
    let user = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let password = url.password().unwrap_or_default();
        (decoded(url.username()), decoded(password))
    });
    // Only URLs without a host can't have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(BaseUrl { url, user })
}

/// A text without its `%41`.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_read() {
        let read = read_base("https://me:p%40ss@h/v3").unwrap();
        assert_eq!(read.url.as_str(), "https://h/v3");
        assert_eq!(read.user, Some(("me".to_owned(), "p@ss".to_owned())));
        assert_eq!(read_base("http://h").unwrap().user, None);
        for (text, part) in [
            ("h/v3", "expected a URL"),
            ("ftp://h", "expected a URL"),
            ("https://h?key=secret", "`query:`"),
            ("https://h#x", "`#`"),
            ("", "expected a URL"),
        ] {
            let message = read_base(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}

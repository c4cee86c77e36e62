//! What URLs mean: below a base, of the same origin, and how they are shown.

use reqwest::Url;

/// The URL of a target below a base. The base's path is always its beginning.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn join(base: &Url, target: &str) -> Result<Url, String> {
    if let Some(character) = target.chars().find(char::is_ascii_control) {
        return Err(format!("it has the control character {character:?}"));
    }
    if target.contains('#') {
        return Err("it has a `#`, which ends a path: write `%23`".to_owned());
    }
    let root = base.as_str().trim_end_matches('/');
    let path = target.trim_start_matches('/');
    let text = match (target.is_empty() || target.starts_with('?'), path) {
        (true, _) => format!("{root}{target}"),
        (false, path) => format!("{root}/{path}"),
    };
    let joined = Url::parse(&text).map_err(|error| error.to_string())?;
    let within = joined
        .path()
        .strip_prefix(base.path().trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !within || !same_origin(base, &joined) {
        return Err("its `..` leads out of `base_url`".to_owned());
    }
    Ok(joined)
}

/// A whole URL. Names and passwords in it are refused: they would end up in logs of others.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn whole(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}:` is neither http nor https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a name or a password: use `auth:` of a connection".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether a target is a whole URL and not a path.
pub(super) fn is_whole(target: &str) -> bool {
    let scheme = target.split("://").next().unwrap_or_default();
    scheme.len() < target.len()
        && !scheme.is_empty()
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Whether two URLs have the same scheme, host and port (RFC 6454).
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// A URL as people may see it: without a password and without the values of parameters whose names
/// say that they are secret.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Only URLs without a host can't have a user.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    let Some(query) = url.query() else {
        return shown.into();
    };
    // As it is written, and not decoded and encoded again: a log shows what was asked.
    let masked: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret_name(name) => format!("{name}=***"),
            _ => pair.to_owned(),
        })
        .collect();
    shown.set_query(Some(&masked.join("&")));
    shown.into()
}

/// Whether the name of a header or parameter says that its value is secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "credential",
        "credentials",
        "jwt",
        "key",
        "pwd",
        "sig",
    ];
    const PARTS: &[&str] = &["apikey", "passw", "secret", "signature", "token"];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
        || name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_stay_below_their_base() {
        for (base, target, expected) in [
            ("https://h/api/v3", "/coins", Ok("https://h/api/v3/coins")),
            (
                "https://h/api/v3/",
                "coins/a b",
                Ok("https://h/api/v3/coins/a%20b"),
            ),
            ("https://h/api/v3", "", Ok("https://h/api/v3")),
            ("https://h/api/v3", "/", Ok("https://h/api/v3/")),
            ("https://h/api/v3", "?a=1", Ok("https://h/api/v3?a=1")),
            ("https://h", "/x?a=/../b", Ok("https://h/x?a=/../b")),
            ("https://h:8443", "x", Ok("https://h:8443/x")),
            (
                "https://h/v3",
                "//evil.example/x",
                Ok("https://h/v3/evil.example/x"),
            ),
            ("https://h/v3", "/a/../b", Ok("https://h/v3/b")),
            ("https://h/v3", "/../v30/x", Err("`..`")),
            ("https://h/v3", "/a/b/%2e%2e/..", Ok("https://h/v3/")),
            ("https://h/v3", "/a/%2e%2e/../x", Err("`..`")),
            ("https://h/v3", "/..\\x", Err("`..`")),
            ("https://h/v3", "/a#b", Err("%23")),
            ("https://h/v3", "/a\nb", Err("control")),
        ] {
            let joined = join(&Url::parse(base).unwrap(), target);
            match expected {
                Ok(expected) => assert_eq!(joined.unwrap().as_str(), expected, "{target}"),
                Err(part) => {
                    let message = joined.unwrap_err();
                    assert!(message.contains(part), "{target}: {message}");
                }
            }
        }
    }

    #[test]
    fn whole_urls_are_told_from_paths() {
        for (target, expected) in [
            ("https://h/x", true),
            ("ftp://h", true),
            ("/redirect?to=https://h", false),
            ("x/y://z", false),
            ("://", false),
            ("", false),
        ] {
            assert_eq!(is_whole(target), expected, "{target}");
        }
        for target in [
            "ftp://h/x",
            "https://u:p@h/x",
            "https://",
            "file:///etc/passwd",
        ] {
            assert!(whole(target).is_err(), "{target}");
        }
    }

    #[test]
    fn secrets_in_urls_are_not_shown() {
        for (url, expected) in [
            ("https://u:pass@h/x", "https://h/x"),
            (
                "https://h/x?page=2&api_key=abc&x-cg-demo-api-key=1&keyword=k&accessToken=t",
                "https://h/x?page=2&api_key=***&x-cg-demo-api-key=***&keyword=k&accessToken=***",
            ),
            ("https://h/x?a%20b=%2F", "https://h/x?a%20b=%2F"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), expected);
        }
    }
}

//! Which route a request is for: by its path as it was sent, never decoded.

use axum::http::{Method, Uri};

use crate::model::check_name;
use crate::web::route::{Route, Verb, routes};

/// What a request is for.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) enum Found {
    Route(&'static Route),
    /// The path is known, by other methods.
    OtherMethod,
    Nothing,
}

/// The route of a request. Paths have one spelling: an encoded character, a doubled or a last slash
/// or a dot where no file is named lead nowhere.
pub(in crate::web) fn find(method: &Method, uri: &Uri) -> Found {
    // What is asked of a proxy, which this is not.
    if uri.scheme().is_some() || uri.authority().is_some() {
        return Found::Nothing;
    }
    let verb = Verb::of(method);
    let mut found = Found::Nothing;
    for route in routes().filter(|route| matches(route.path, uri.path())) {
        if Some(route.verb) == verb {
            return Found::Route(route);
        }
        found = Found::OtherMethod;
    }
    found
}

/// Whether a pattern takes a path, part by part.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let all = pattern.split('/').all(|wanted| {
        let part = parts.next();
        part.is_some_and(|part| match wanted {
            "{file}" => is_file(part),
            _ if wanted.starts_with('{') => check_name(part).is_ok(),
            _ => part == wanted,
        })
    });
    all && parts.next().is_none()
}

/// `name.extension`.
fn is_file(part: &str) -> bool {
    part.split_once('.')
        .is_some_and(|(name, extension)| check_name(name).is_ok() && check_name(extension).is_ok())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn paths_have_one_spelling() {
        for (pattern, path, expected) in [
            ("/", "/", true),
            ("/", "//", false),
            ("/dags/{dag}", "/dags/daily_batch", true),
            ("/dags/{dag}", "/dags/daily%5fbatch", false),
            ("/dags/{dag}", "/dags//daily_batch", false),
            ("/dags/{dag}", "/dags/daily_batch/", false),
            ("/dags/{dag}", "/dags/", false),
            ("/dags/{dag}", "/dags/..", false),
            ("/dags/{dag}", "/dags/a.b", false),
            ("/dags/{dag}", "/dags/ä", false),
            ("/asset/{file}", "/asset/page.css", true),
            ("/asset/{file}", "/asset/..", false),
            ("/asset/{file}", "/asset/.css", false),
            ("/asset/{file}", "/asset/a.b.c", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}

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

/// How a path can be asked for, as the header `Allow` says it.
pub(super) fn methods(uri: &Uri) -> String {
    let known = routes().filter(|route| matches(route.path, uri.path()));
    let words = known.map(|route| match route.verb {
        Verb::Get => "GET, HEAD",
        other => other.as_str(),
    });
    words.collect::<Vec<_>>().join(", ")
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
    use super::{Found, find, matches};
    use crate::model::{AttemptId, RunId, TaskId, TaskIndex, TaskRunId};
    use crate::task::log_path;
    use axum::http::{Method, Uri};

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

    /// Strings that somebody tries who wants to read other files: what is let through names a log in
    /// the folder of the logs.
    #[test]
    fn no_path_leaves_the_folder_of_the_logs() {
        const PIECES: &[&str] = &[
            "..",
            ".",
            "/",
            "//",
            "\\",
            "%2e",
            "%2f",
            "%00",
            "%c0%af",
            "~",
            "etc",
            "passwd",
            "a",
            "Z9",
            "_",
            "-",
            "log",
            "*",
            "?",
            "#",
            ";",
            ":",
            "@",
            "&",
            "=",
            "+",
            "é",
            "0",
            "api/v1/runs",
            "tasks",
        ];
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % below as u64).unwrap()
        };
        let mut let_in = 0;
        for _ in 0..100_000 {
            let mut name = |most: usize| {
                let count = 1 + draw(most);
                (0..count)
                    .map(|_| PIECES[draw(PIECES.len())])
                    .collect::<String>()
            };
            let text = format!("/api/v1/runs/{}/tasks/{}/log", name(3), name(3));
            let Ok(uri) = text.parse::<Uri>() else {
                continue;
            };
            let Found::Route(route) = find(&Method::GET, &uri) else {
                continue;
            };
            // What comes after `?` and `#` is no path: the rest may be another route.
            if !route.path.ends_with("/log") {
                continue;
            }
            let parts: Vec<&str> = uri.path().split('/').collect();
            assert_eq!(parts.len(), 8, "{text}");
            let attempt = AttemptId {
                run: RunId::new(parts[4]).unwrap(),
                task_run: TaskRunId {
                    task: TaskIndex(0),
                    item: None,
                },
                generation: 0,
                number: 1,
                fence: 0,
            };
            let path = log_path(&attempt, &TaskId::new(parts[6]).unwrap());
            let mut names = path.components();
            let normal = names.all(|part| matches!(part, std::path::Component::Normal(_)));
            assert!(
                normal && path.components().count() == 3,
                "{text}: {}",
                path.display()
            );
            let_in += 1;
        }
        assert!(
            let_in > 1000,
            "{let_in}: some must be let in, or nothing was tried"
        );
    }
}

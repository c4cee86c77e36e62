//! What `docs/architecture.md` says of the source: who may import whom, and who alone names what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The rooms of the house. A room imports only from those that come after it.
const ROOMS: &[&str] = &[
    "main",
    "cli",
    "web",
    "remote",
    "operate",
    "exchange",
    "daemon",
    "rehearsal",
    "spec",
    "store",
    "executor",
    "trigger",
    "task",
    "telemetry",
    "connection",
    "embedded",
    "picture",
    "data",
    "sqltext",
    "template",
    "failpoint",
    "secret",
    "document",
    "engine",
    "model",
];

/// Tables: the files and folders behind them never import each other.
const TABLES: &[&str] = &[
    "task",
    "task/transfer/source",
    "task/transfer/sink",
    "connection",
    "executor",
    "trigger",
];

/// All that the pure rooms may name besides `std`.
const PURE: &[(&str, &[&str])] = &[
    (
        "model",
        &["chrono", "chrono_tz", "cron", "serde", "serde_json"],
    ),
    ("engine", &["chrono", "chrono_tz", "serde"]),
];

/// Libraries that only some files may name: heavy ones, and those that would spread.
const HOMES: &[(&str, &[&str])] = &[
    ("serde_yaml", &["spec/yaml.rs", "spec/yaml/tree.rs"]),
    ("annotate_snippets", &["spec/render.rs"]),
    ("minijinja", &["template/", "web/page/template.rs"]),
    ("squawk_syntax", &["sqltext/"]),
    ("petgraph", &["spec/circles.rs"]),
    ("sqlx", &["connection/", "embedded/postgres/", "store/"]),
    ("axum", &["exchange/", "web/"]),
    ("hyper", &["web/server.rs"]),
    ("object_store", &["connection/bucket/"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("clap", &["cli/", "main.rs"]),
    ("rdkafka", &["connection/kafka/"]),
    ("zstd", &["data/compression.rs"]),
    ("flate2", &["data/compression.rs"]),
    ("lettre", &["connection/smtp.rs"]),
    ("resvg", &["picture/png.rs"]),
    ("ttf_parser", &["picture/font.rs"]),
    ("async_compression", &["connection/http/unpack.rs"]),
    (
        "reqwest",
        &["connection/http/", "remote/client.rs", "telemetry/post.rs"],
    ),
    (
        "rustls",
        &[
            "connection/http/",
            "connection/bucket/cloud/client.rs",
            "remote/client.rs",
        ],
    ),
];

/// A file of `src`, without its comments.
struct Source {
    /// Below `src`, with `/`.
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn room(&self) -> &str {
        let first = self.path.split('/').next().expect("a path has a part");
        first.trim_end_matches(".rs")
    }

    /// Every `name::` in the file, with what precedes it and its line number.
    fn paths(&self) -> impl Iterator<Item = (usize, Vec<&str>)> {
        self.lines.iter().enumerate().flat_map(|(index, line)| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                .filter(|word| word.contains("::"))
                .map(move |word| (index + 1, word.split("::").collect()))
        })
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let source = |path: PathBuf| Source {
        lines: std::fs::read_to_string(&path)
            .expect("UTF-8")
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default().to_owned())
            .collect(),
        path: path
            .strip_prefix(root().join("src"))
            .expect("below src")
            .to_string_lossy()
            .into_owned(),
    };
    files.into_iter().map(source).collect()
}

/// Fails with all that `find` says of the files.
fn check(rule: &str, find: impl Fn(&Source) -> Vec<String>) {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);
    let found: Vec<String> = SOURCES
        .iter()
        .flat_map(|source| {
            let mut found = find(source);
            found.dedup();
            found
                .into_iter()
                .map(|text| format!("src/{}: {text}", source.path))
        })
        .collect();
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

#[test]
fn imports_go_downwards_only() {
    check("a room imports only from those below it", |source| {
        if source.path == "lib.rs" {
            return Vec::new();
        }
        let Some(from) = place(source.room()) else {
            return vec!["has no place among the rooms".to_owned()];
        };
        let upwards = |(line, path): (usize, Vec<&str>)| {
            let to = match path[..] {
                // `use crate::{…}` would hide what it imports: only who may import all writes it.
                ["crate", ""] => 1,
                ["crate", room, ..] => place(room)?,
                _ => return None,
            };
            (to < from).then(|| format!("line {line} imports {}", path.join("::")))
        };
        source.paths().filter_map(upwards).collect()
    });
}

#[test]
fn rows_of_a_table_never_import_each_other() {
    for table in TABLES {
        let kinds = kinds_of(table);
        assert!(!kinds.is_empty(), "{table} has no kinds");
        check("the files behind a table don't know each other", |source| {
            let Some(own) = source.path.strip_prefix(&format!("{table}/")) else {
                return Vec::new();
            };
            let own = own.split('/').next().unwrap_or_default();
            if own == "mod.rs" {
                return Vec::new();
            }
            let own = own.trim_end_matches(".rs");
            let other = |(line, path): (usize, Vec<&str>)| {
                let named = match path[..] {
                    ["super", kind, ..] if !source.path.contains(&format!("{own}/")) => kind,
                    ["crate", room, kind, ..] if room == *table => kind,
                    _ => return None,
                };
                (named != own && kinds.contains(named))
                    .then(|| format!("line {line} imports {}", path.join("::")))
            };
            if kinds.contains(own) {
                source.paths().filter_map(other).collect()
            } else {
                Vec::new()
            }
        });
    }
}

/// What a kind shares has a module of its own: handed on by the table, one kind could still use
/// another.
#[test]
fn a_table_hands_on_nothing_of_its_rows() {
    for table in ["task", "task/transfer/source", "task/transfer/sink"] {
        let kinds = kinds_of(table);
        check("a table names a row's `KIND` only", |source| {
            if source.path != format!("{table}/mod.rs") {
                return Vec::new();
            }
            let handed_on = |(line, path): (usize, Vec<&str>)| match path[..] {
                ["self", kind, ..] | [kind, ..]
                    if kinds.contains(kind) && path.last() != Some(&"KIND") =>
                {
                    Some(format!("line {line} names {}", path.join("::")))
                }
                _ => None,
            };
            source.paths().filter_map(handed_on).collect()
        });
    }
}

/// The modules that the rows of a table are in: `&copy::KIND` names `copy`.
fn kinds_of(table: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("src").join(table).join("mod.rs"));
    let text = text.expect("a table");
    let in_table = text.split("::KIND").filter_map(|before| {
        let (_, name) = before.rsplit_once('&')?;
        let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_name.then(|| name.to_owned())
    });
    let mut kinds: BTreeSet<String> = in_table.collect();
    if table == "executor" {
        kinds.insert("local".to_owned());
    }
    kinds
}

#[test]
fn the_pure_rooms_know_no_clock_no_files_and_no_tasks() {
    let libraries = libraries();
    for (room, allowed) in PURE {
        check(&format!("{room} is pure"), |source| {
            if source.room() != *room {
                return Vec::new();
            }
            let impure = |(line, path): (usize, Vec<&str>)| {
                let named = path[0];
                let foreign = libraries.contains(named) && !allowed.contains(&named);
                let outside = matches!(
                    path[..],
                    [
                        "std",
                        "fs" | "io" | "net" | "process" | "thread" | "env",
                        ..
                    ]
                );
                (foreign || outside).then(|| format!("line {line} names {}", path.join("::")))
            };
            source.paths().filter_map(impure).collect()
        });
    }
}

#[test]
fn libraries_stay_in_their_homes() {
    let libraries = libraries();
    for (library, homes) in HOMES {
        assert!(libraries.contains(*library), "{library} is not used");
        check(&format!("{library} is named in {homes:?} only"), |source| {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                return Vec::new();
            }
            let named = |(line, path): (usize, Vec<&str>)| {
                (path[0] == *library).then(|| format!("line {line} names {}", path.join("::")))
            };
            source.paths().filter_map(named).collect()
        });
    }
}

/// The dependencies of Cargo.toml, as the source names them.
fn libraries() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let (_, after) = text.split_once("[dependencies]\n").expect("dependencies");
    let names = after
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"));
    names.filter(|name| !name.starts_with('#')).collect()
}

#[test]
fn files_stay_readable() {
    check("a file has at most 800 lines", |source| {
        let count = source.lines.len();
        if count > 800 {
            vec![format!("has {count} lines")]
        } else {
            Vec::new()
        }
    });
}

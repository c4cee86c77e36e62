//! Input that nobody means well: it ends in diagnostics or in a valid project, never in a panic.

use std::path::Path;

use proptest::prelude::*;
use runner::spec::{Loaded, render_json, render_text};

use super::broken::cases;
use super::case::Case;

/// Reads a project of one pipeline; whatever is said about it can be shown.
fn read(files: &[(&str, &[u8])]) -> Loaded {
    let loaded = Case::of(files).load();
    let text = render_text(&loaded.diagnostics, &loaded.sources, true);
    let json = render_json(&loaded.diagnostics, &loaded.sources);
    assert_eq!(text.is_empty(), json == serde_json::json!([]));
    let valid = loaded
        .project
        .as_ref()
        .is_some_and(|project| !project.pipelines.is_empty());
    assert!(valid || !loaded.diagnostics.is_empty(), "nothing is said");
    loaded
}

fn read_pipeline(text: &[u8]) -> Loaded {
    read(&[("pipelines/a.yaml", text)])
}

/// The codes of all that is said, without repetition.
fn codes(loaded: &Loaded) -> Vec<&'static str> {
    let mut codes: Vec<_> = loaded.diagnostics.iter().map(|found| found.code).collect();
    codes.dedup();
    codes
}

#[test]
fn bombs_and_depths_are_refused() {
    let nested = |open: &str, close: &str| {
        format!(
            "dag: a\ntasks: {}1{}\n",
            open.repeat(10_000),
            close.repeat(10_000)
        )
    };
    let steps: Vec<String> = (0..2_000)
        .map(|at| format!("{}a:\n", " ".repeat(at)))
        .collect();
    let dashes = format!("{}a\n", "- ".repeat(10_000));
    let letters = ["b", "c", "d", "e", "f", "g", "h", "i"];
    let laughs: String = std::iter::once("a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain(letters.iter().scan("a", |before, letter| {
            let line = format!(
                "{letter}: &{letter} [{}]\n",
                vec![format!("*{before}"); 9].join(", ")
            );
            *before = *letter;
            Some(line)
        }))
        .collect();
    let merged: String = std::iter::once("m0: &m0 { k: v }\n".to_owned())
        .chain((1..2_000).map(|at| format!("m{at}: &m{at} {{ <<: *m{}, k{at}: v }}\n", at - 1)))
        .collect();
    for (name, text) in [
        ("lists", nested("[", "]")),
        ("maps", nested("{a: ", "}")),
        ("blocks", steps.concat()),
        ("dashes", dashes),
        ("laughs", laughs),
        ("merges", merged),
        ("an alias of itself", "a: &a [*a]\n".to_owned()),
    ] {
        eprintln!("NAME {name} {}", text.len());
        let loaded = read_pipeline(text.as_bytes());
        let codes = codes(&loaded);
        assert!(
            codes
                .iter()
                .any(|code| ["too-large", "yaml-syntax", "unknown-key"].contains(code)),
            "{name}: {codes:?}"
        );
    }
}

#[test]
fn deep_expressions_are_refused() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("not ", ""),
        ("{'a': ", "}"),
    ] {
        for depth in [50, 5_000] {
            let expression = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let text = format!(
                "dag: a\ntasks: {{ b: {{ if: \"{expression}\", shell: {{ command: [echo, \"{{{{ {expression} }}}}\"] }} }} }}\n"
            );
            read_pipeline(text.as_bytes());
        }
    }
    let blocks = "{% if 1 %}".repeat(2_000);
    read_pipeline(
        format!("dag: a\ntasks: {{ b: {{ shell: {{ command: ['{blocks}'] }} }} }}").as_bytes(),
    );
}

#[test]
fn deep_sql_is_refused() {
    let settings = b"connections: { db: { postgres: embedded } }";
    let pipeline = b"dag: a\ntasks: { b: { sql: { connection: db, file: a.sql } } }";
    for sql in [
        format!("select {}1{};", "(".repeat(10_000), ")".repeat(10_000)),
        format!("select {}1;", "- ".repeat(10_000)),
        format!("select {}1;", "not ".repeat(10_000)),
        format!("{}select 1;", "/*".repeat(10_000)),
        "case when ".repeat(5_000),
        "select 1 from (".repeat(5_000),
        ";".repeat(100_000),
        "$a$".repeat(9_999),
        "'".repeat(9_999),
        ":a".repeat(10_000),
        "{{".repeat(10_000),
    ] {
        read(&[
            ("runner.yaml", settings),
            ("pipelines/a.yaml", pipeline),
            ("a.sql", sql.as_bytes()),
        ]);
    }
}

#[test]
fn garbage_is_refused() {
    let mut state = 1u64;
    let garbage: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    assert_eq!(codes(&read_pipeline(&garbage)), ["unreadable-file"]);
    let printable: Vec<u8> = garbage.iter().map(|byte| b' ' + byte % 95).collect();
    read_pipeline(&printable);
    for unit in [
        "a: 1\n",
        "- a\n",
        "\"",
        "[",
        "{a: ",
        "# comment\n",
        "\n",
        "\t",
        "&a ",
        "*a ",
        "? ",
    ] {
        read_pipeline(unit.repeat((1 << 18) / unit.len()).as_bytes());
    }
}

#[test]
fn many_mistakes_are_all_counted_and_soon_found() {
    let tasks: Vec<String> = (0..1_000)
        .map(|at| {
            format!(
                "  task_{at}: {{ needs: task_{}_x, timeout: 5, shel: echo }}\n",
                at + 1
            )
        })
        .collect();
    let loaded = read_pipeline(format!("dag: a\ntasks:\n{}", tasks.concat()).as_bytes());
    assert_eq!(loaded.diagnostics.len(), 3_000);
}

/// The texts of the repository's pipelines and of all broken projects.
fn texts() -> Vec<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| {
        (
            path.to_owned(),
            std::fs::read_to_string(root.join(path)).unwrap(),
        )
    };
    let own = vec![
        read("runner.yaml"),
        read("pipelines/daily_batch.yaml"),
        read("sql/migration.sql"),
    ];
    let broken = cases().into_iter().map(|case| {
        let owned = |(path, text): (&Path, &str)| (path.display().to_string(), text.to_owned());
        case.texts().map(owned).collect()
    });
    std::iter::once(own).chain(broken).collect()
}

/// A change of one token of a text.
#[derive(Debug, Clone)]
enum Change {
    Delete,
    Double,
    Replace(&'static str),
    CutHere,
}

fn change() -> impl Strategy<Value = Change> {
    let words = [
        "",
        " ",
        "\n",
        "\t",
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "#",
        "&a",
        "*a",
        "<<",
        "|",
        ">",
        "~",
        "5",
        "-1",
        "1e400",
        "true",
        ".nan",
        "{{",
        "}}",
        "{{ item }}",
        "${",
        "!!x",
        "---",
        "\u{0}",
        "\u{feff}",
        "日本",
        "needs",
        "foreach",
        "shell",
        "99999999999999999999",
    ];
    prop_oneof![
        Just(Change::Delete),
        Just(Change::Double),
        prop::sample::select(words.to_vec()).prop_map(Change::Replace),
        Just(Change::CutHere),
    ]
}

/// Cuts a text into words, spaces and signs.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let same = |c: char| if word(first) { word(c) } else { c == first };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        tokens.push(&rest[..end]);
        rest = &rest[end..];
    }
    tokens
}

fn changed(text: &str, at: prop::sample::Index, change: &Change) -> String {
    let mut tokens = tokens(text);
    if tokens.is_empty() {
        return String::new();
    }
    let at = at.index(tokens.len());
    match change {
        Change::Delete => drop(tokens.remove(at)),
        Change::Double => tokens.insert(at, tokens[at]),
        Change::Replace(word) => tokens[at] = word,
        Change::CutHere => tokens.truncate(at),
    }
    tokens.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changed_projects_are_read(
        project in any::<prop::sample::Index>(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), change()),
            1..4,
        ),
    ) {
        let mut projects = texts();
        let mut files = projects.swap_remove(project.index(projects.len()));
        if files.is_empty() {
            return Ok(());
        }
        for (file, at, change) in &changes {
            let at_file = file.index(files.len());
            let text = &mut files[at_file].1;
            *text = changed(text, *at, change);
        }
        let bytes: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_bytes()))
            .collect();
        read(&bytes);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_pipeline(&bytes);
    }

    #[test]
    fn any_text_is_read(text in "[\\[\\]{}:,#&*!|>'\"%@`\n\t a-c0-9?.<~-]{0,120}") {
        read_pipeline(text.as_bytes());
    }
}

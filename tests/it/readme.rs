//! What the README and the documents say is true, where that can be looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory as _;
use runner::cli::Arguments;

use crate::support::postgres::runner;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document for people: those at the root, in `docs/` and in `samples/`.
fn documents() -> Vec<PathBuf> {
    let in_folder = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder");
    let mut documents: Vec<PathBuf> = ["", "docs", "samples"]
        .into_iter()
        .flat_map(|folder| in_folder(root().join(folder)))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.sort();
    documents
}

/// Fails with all that `find` says of the documents.
fn check(find: impl Fn(&Path, &str) -> Vec<String>) {
    let mut found = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let name = path.strip_prefix(root()).expect("below the root").display();
        let said = find(&path, &text);
        found.extend(said.iter().map(|said| format!("{name}: {said}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What is set as code: spans in backticks, and the lines of blocks.
fn code(text: &str) -> Vec<&str> {
    let mut code = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            code.push(line);
        } else {
            code.extend(line.split('`').skip(1).step_by(2));
        }
    }
    code
}

/// The blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let after = text.split(&begin).skip(1);
    after
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn commands_that_are_named_exist() {
    let program = Arguments::command();
    check(|_, text| {
        let mut unknown = Vec::new();
        for piece in code(text) {
            let mut words = piece.split_whitespace().peekable();
            while let Some(word) = words.next() {
                if word != "runner" {
                    continue;
                }
                let Some(command) = words.peek().copied().filter(|next| is_name(next)) else {
                    continue;
                };
                let Some(mut found) = program.find_subcommand(command) else {
                    unknown.push(format!("there is no `runner {command}` ({piece})"));
                    continue;
                };
                let mut rest = words.clone().skip(1).peekable();
                // `runner service install`: the options are those of the inner command.
                while let Some(inner) = rest.peek().and_then(|word| found.find_subcommand(word)) {
                    found = inner;
                    rest.next();
                }
                for option in rest.filter(|word| is_option(word)) {
                    let name = option.trim_start_matches('-');
                    let known = |command: &clap::Command| {
                        command
                            .get_arguments()
                            .any(|argument| argument.get_long() == Some(name))
                            || name == "help"
                    };
                    if !known(found) && !known(&program) {
                        unknown.push(format!("`runner {command}` has no `{option}` ({piece})"));
                    }
                }
            }
        }
        unknown
    });
}

fn is_name(word: &str) -> bool {
    word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase())
}

fn is_option(word: &str) -> bool {
    word.strip_prefix("--").is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    })
}

#[test]
fn links_lead_somewhere() {
    check(|path, text| {
        let links = text.split("](").skip(1);
        let targets = links.filter_map(|rest| rest.split(')').next());
        let dead = targets.filter(|target| {
            let (file, _) = target.split_once('#').unwrap_or((target, ""));
            let elsewhere = target.contains("://") || file.is_empty();
            !elsewhere && !path.with_file_name(file).exists()
        });
        dead.map(|target| format!("`{target}` leads nowhere"))
            .collect()
    });
}

#[test]
fn the_two_commands_are_those_that_are_checked() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("## Two commands").expect("a section");
    let block = &blocks(section, "sh")[0];
    let commands: Vec<&str> = block
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(commands.len(), 2, "{block}");
    let checked = read(".ci/run");
    for command in commands {
        assert!(root().join(command).is_file(), "{command} isn't there");
        let called = checked.lines().any(|line| {
            let line = line.trim();
            line == command || (line.starts_with("step ") && line.ends_with(&format!(" {command}")))
        });
        assert!(called, ".ci/run doesn't call {command}");
    }
}

#[test]
fn the_rust_version_is_that_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let (_, after) = manifest.split_once("rust-version = \"").expect("a version");
    let version = after.split('"').next().expect("a version");
    assert!(
        read("README.md").contains(&format!("[Rust](https://rustup.rs) {version} or newer")),
        "README.md names another version than {version}"
    );
}

#[test]
fn the_example_of_the_readme_has_no_mistake() {
    let readme = read("README.md");
    let project = tempfile::tempdir().expect("a folder");
    let mut written = BTreeSet::new();
    for block in blocks(&readme, "yaml") {
        // The first line names the file; blocks without one are pieces.
        let Some(path) = block
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
        else {
            continue;
        };
        let path = project.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &block).expect("written");
        written.insert(path);
    }
    assert_eq!(written.len(), 2, "{written:?}");
    let checked = Command::new(runner())
        .arg("check")
        .current_dir(project.path())
        .output()
        .expect("runner check");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        said.ends_with("1 pipeline checked: no mistakes\n"),
        "{said}"
    );
}

#[test]
fn generated_files_are_as_the_code_says() {
    let compared = Command::new(runner())
        .args(["schema", "--check"])
        .current_dir(root())
        .output()
        .expect("runner schema");
    assert!(
        compared.status.success(),
        "{}",
        String::from_utf8_lossy(&compared.stderr)
    );
}

#[test]
fn every_library_has_its_reason() {
    let manifest = read("Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]\n").expect("a section");
    let (dependencies, _) = dependencies.split_once("\n[profile").expect("a section");
    let names = dependencies
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    let reasons = read("docs/dependencies.md");
    let without: Vec<&str> = names
        .filter(|name| !reasons.contains(&format!("`{name}`")))
        .collect();
    assert!(without.is_empty(), "docs/dependencies.md lacks {without:?}");
}

#[test]
fn every_guarantee_names_a_test_that_exists() {
    let document = read("docs/reliability.md");
    let (_, faults) = document.split_once("## Faults").expect("a section");
    let (faults, _) = faults.split_once("\n## ").expect("a section");
    let rows: Vec<&str> = faults
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    let mut wrong = Vec::new();
    for row in rows {
        let tests = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        let mut names = tests.split('`').skip(1).step_by(2).peekable();
        if names.peek().is_none() {
            wrong.push(format!("no test: {row}"));
        }
        wrong.extend(names.filter(|name| !is_test(name)).map(ToOwned::to_owned));
    }
    assert!(wrong.is_empty(), "docs/reliability.md: {wrong:#?}");
}

/// Whether a path such as `copy::postgres::a_test` is a module below `tests/it`, or a test in one.
fn is_test(name: &str) -> bool {
    let file = |modules: &[&str]| {
        let path = root().join("tests/it").join(modules.join("/"));
        let file = path.with_extension("rs");
        file.is_file().then_some(file).or_else(|| {
            let file = path.join("mod.rs");
            file.is_file().then_some(file)
        })
    };
    let parts: Vec<&str> = name.split("::").collect();
    if file(&parts).is_some() {
        return true;
    }
    let (test, modules) = parts.split_last().expect("a name");
    file(modules)
        .and_then(|file| std::fs::read_to_string(file).ok())
        .is_some_and(|text| text.contains(&format!("fn {test}()")))
}

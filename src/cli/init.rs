//! `runner init`: a new project that runs.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::arguments::Init;
use super::context::Context;
use super::{Mistake, exit, look};

/// The files of a new project.
const FILES: &[(&str, &str)] = &[
    ("runner.yaml", include_str!("init/runner.yaml")),
    ("pipelines/hello.yaml", include_str!("init/hello.yaml")),
    (
        "sql/create_table.sql",
        include_str!("init/create_table.sql"),
    ),
    ("sql/by_country.sql", include_str!("init/by_country.sql")),
    ("samples/orders.csv", include_str!("init/orders.csv")),
    (".gitignore", include_str!("init/gitignore")),
];

pub fn run(context: &Context, command: &Init) -> anyhow::Result<u8> {
    let folder = context.start.join(&command.folder);
    for name in ["runner.yaml", "pipelines/hello.yaml"] {
        if folder.join(name).exists() {
            let path = command.folder.join(name);
            let path = path.strip_prefix(".").unwrap_or(&path).display();
            let mistake = format!("`{path}` is there already");
            return Err(Mistake::new(mistake)
                .help("nothing was changed; `runner init FOLDER` makes a project elsewhere")
                .into());
        }
    }
    let mut out = anstream::stdout().lock();
    let (good, faint, bold) = (look::GOOD, look::FAINT, look::BOLD);
    for (name, text) in FILES {
        let made = write_new(&folder.join(name), text)?;
        let path = command.folder.join(name);
        let path = path.strip_prefix(".").unwrap_or(&path).display();
        if made {
            writeln!(out, "  {good}made{good:#}  {path}")?;
        } else {
            writeln!(
                out,
                "  {faint}kept{faint:#}  {path}  {faint}(it was there){faint:#}"
            )?;
        }
    }
    writeln!(out, "\nnext:")?;
    if command.folder != Path::new(".") {
        writeln!(out, "  {bold}cd {}{bold:#}", command.folder.display())?;
    }
    for (line, comment) in [
        ("runner check", "finds mistakes before anything runs"),
        (
            "runner trigger hello",
            "runs it, and shows it as it happens",
        ),
        ("runner data hello by_country", "the rows of its query"),
    ] {
        writeln!(out, "  {bold}{line:<28}{bold:#}  {faint}{comment}{faint:#}")?;
    }
    Ok(exit::OK)
}

/// Writes a file unless it is there.
fn write_new(path: &Path, text: &str) -> anyhow::Result<bool> {
    let failed = || format!("`{}` can't be written", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match opened {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).with_context(failed)?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(anyhow::Error::new(error).context(failed())),
    }
}

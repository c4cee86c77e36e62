//! `runner schema`: JSON Schema for editors, and the generated files of the repository.

use std::io::Write as _;
use std::path::Path;

use super::arguments::{Schema, SchemaOf};
use super::{Mistake, exit};
use crate::spec::{pipeline_schema, project_schema, reference};

/// Files of the repository that are made from the code, and their texts.
#[must_use]
pub fn generated() -> Vec<(&'static str, String)> {
    vec![
        ("schema/pipeline.json", format!("{:#}\n", pipeline_schema())),
        ("schema/project.json", format!("{:#}\n", project_schema())),
        ("docs/language.md", reference()),
    ]
}

pub fn run(command: &Schema) -> anyhow::Result<u8> {
    if command.check || command.write {
        return compare_or_write(command.write);
    }
    let schema = match command.of {
        SchemaOf::Pipeline => pipeline_schema(),
        SchemaOf::Project => project_schema(),
    };
    writeln!(anstream::stdout(), "{schema:#}")?;
    Ok(exit::OK)
}

fn compare_or_write(write: bool) -> anyhow::Result<u8> {
    let mut stale = Vec::new();
    for (path, text) in generated() {
        if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
            continue;
        }
        stale.push(path);
        if write {
            if let Some(folder) = Path::new(path).parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, text)?;
            writeln!(anstream::stderr(), "wrote {path}")?;
        }
    }
    if stale.is_empty() || write {
        return Ok(exit::OK);
    }
    Err(
        Mistake::new(format!("not as the code says: {}", stale.join(", ")))
            .help("`runner schema --write` makes them anew")
            .into(),
    )
}

//! `runner schema`: JSON Schema for editors, and the generated files of the repository.

use std::io::Write as _;
use std::path::Path;

use super::arguments::{Schema, SchemaOf};
use super::{Mistake, exit};
use crate::spec::{kind_pages, pipeline_schema, project_schema, reference};
use crate::web::openapi;

/// Files of the repository that are made from the code, and their texts.
#[must_use]
pub fn generated() -> Vec<(String, String)> {
    let mut files = vec![
        (
            "schema/pipeline.json".to_owned(),
            format!("{:#}\n", pipeline_schema()),
        ),
        (
            "schema/project.json".to_owned(),
            format!("{:#}\n", project_schema()),
        ),
        ("docs/language.md".to_owned(), reference()),
        ("docs/openapi.json".to_owned(), format!("{:#}\n", openapi())),
    ];
    files.extend(kind_pages());
    files
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
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        if write {
            if let Some(folder) = Path::new(&path).parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, text)?;
            writeln!(anstream::stderr(), "wrote {path}")?;
        }
        stale.push(path);
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

//! The file in which a script leaves its outputs.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde_json::{Map, Value as Json};

/// Outputs are small: they are kept with the run and read by templates.
pub(super) const LIMIT: u64 = 256 * 1024;

/// Reads and removes the file; without one there are no outputs.
pub(super) fn take(path: &Path) -> Result<Map<String, Json>, String> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(format!("`RUNNER_OUTPUTS` can't be read: {error}")),
    };
    // A pipe would never end, and a link may lead anywhere.
    let text = if metadata.is_file() {
        read(path)
    } else {
        Err("`RUNNER_OUTPUTS` is no plain file any more".to_owned())
    };
    discard(path);
    parse(&text?)
}

/// Removes the file if there is one.
pub(super) fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a temporary file can't be removed");
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("`RUNNER_OUTPUTS` can't be read: {error}"))?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!(
            "the outputs in `RUNNER_OUTPUTS` are larger than {} KiB: leave large results in a \
             file or a table",
            LIMIT / 1024
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        format!("the outputs in `RUNNER_OUTPUTS` aren't UTF-8 at byte {valid}")
    })
}

/// Lines of `name=value`, or one JSON object.
fn parse(text: &str) -> Result<Map<String, Json>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            format!("the outputs in `RUNNER_OUTPUTS` are no JSON object: {error}")
        });
    }
    let mut outputs = Map::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!(
                "line {number} of `RUNNER_OUTPUTS` is `{}`: expected `name=value`, or one JSON \
                 object for the whole file",
                line.chars().take(60).collect::<String>()
            ));
        };
        if !is_name(name) {
            return Err(format!(
                "line {number} of `RUNNER_OUTPUTS`: `{}` is no name: use letters, digits and `_`, \
                 not beginning with a digit",
                name.chars().take(60).collect::<String>()
            ));
        }
        outputs.insert(name.to_owned(), Json::String(value.to_owned()));
    }
    Ok(outputs)
}

/// Whether a text can name a variable, in a shell as in a template.
pub(super) fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outputs_are_lines_or_one_object() {
        for (text, expected) in [
            ("", json!({})),
            (
                "a=1\nb=x=y\n\nc=\n",
                json!({ "a": "1", "b": "x=y", "c": "" }),
            ),
            ("a=1\na=2\n", json!({ "a": "2" })),
            (
                "\n {\"n\": 1.50, \"l\": [1]}\n",
                json!({ "n": 1.5, "l": [1] }),
            ),
        ] {
            let outputs = parse(text).map(Json::Object).map(|json| json.to_string());
            let expected = expected.to_string().replace("1.5,", "1.50,");
            assert_eq!(outputs, Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_outputs_are_explained() {
        for (text, part) in [
            ("a=1\nnothing\n", "line 2 of `RUNNER_OUTPUTS` is `nothing`"),
            ("1a=1", "`1a` is no name"),
            ("a b=1", "`a b` is no name"),
            ("{\"a\": 1", "no JSON object"),
            ("{\"a\": 1}\n{\"b\": 2}", "no JSON object"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}

//! Values as parts of paths.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// What stands for a value that is missing or empty: as Hive, Spark and `DuckDB` write it.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// The longest name that file systems take, in bytes.
const LONGEST: usize = 255;

/// Appends a value to a path, so that it stays in its folder: what has a meaning in paths or
/// patterns is percent-encoded, as is a dot at its beginning.
pub(super) fn push(value: &Json, path: &mut String) {
    let text = match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.is_empty() {
        path.push_str(MISSING);
    }
    for (at, character) in text.char_indices() {
        let special = character.is_control()
            || matches!(
                character,
                '/' | '\\'
                    | '%'
                    | '*'
                    | '?'
                    | '['
                    | ']'
                    | '{'
                    | '}'
                    | '"'
                    | '\''
                    | '#'
                    | ':'
                    | '='
                    | '^'
            )
            || (at == 0 && character == '.');
        if special {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                // Writing to a string can't fail.
                let _ = write!(path, "%{byte:02X}");
            }
        } else {
            path.push(character);
        }
    }
}

/// What is wrong with a whole path.
pub(super) fn check(path: &str) -> Result<(), String> {
    match path.split('/').find(|part| part.len() > LONGEST) {
        Some(part) => {
            let begin: String = part.chars().take(40).collect();
            Err(format!(
                "the name `{begin}…` is longer than {LONGEST} bytes"
            ))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_stay_in_their_folder() {
        for (value, expected) in [
            (json!("btc_mxn"), "btc_mxn"),
            (json!("a b-ü,c"), "a b-ü,c"),
            (json!(7), "7"),
            (json!(true), "true"),
            (json!(null), "__HIVE_DEFAULT_PARTITION__"),
            (json!(""), "__HIVE_DEFAULT_PARTITION__"),
            (json!(".."), "%2E."),
            (json!("."), "%2E"),
            (json!("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd"),
            (json!("a/b\\c"), "a%2Fb%5Cc"),
            (json!("nul\0\n\u{85}"), "nul%00%0A%C2%85"),
            (json!("50%"), "50%25"),
            (json!("1.5"), "1.5"),
            (json!([1]), "%5B1%5D"),
        ] {
            let mut path = String::new();
            push(&value, &mut path);
            assert_eq!(path, expected, "{value}");
        }
        assert!(check(&"ä".repeat(128)).is_err());
        assert_eq!(
            check(&format!("{}/{}", "a".repeat(255), "b".repeat(255))),
            Ok(())
        );
    }
}

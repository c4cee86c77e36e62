//! A request as a text, for people.

use reqwest::header::{AUTHORIZATION, HeaderMap};

use super::HttpBody;
use super::address::is_secret_name;

/// Bytes of a body that are told.
const BODY: usize = 16 << 10;

/// A request's line, its headers and the beginning of its body, without what is secret by its name.
/// `signed`: the connection adds its credentials.
pub(super) fn written(
    line: &str,
    headers: &HeaderMap,
    signed: bool,
    body: Option<&HttpBody>,
) -> String {
    let mut text = line.to_owned();
    let body = body.filter(|body| !matches!(body, HttpBody::Empty));
    for (name, value) in headers {
        let secret = value.is_sensitive() || is_secret_name(name.as_str());
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = if secret { "***" } else { &value };
        text.push_str(&format!("\n{name}: {value}"));
    }
    if signed && !headers.contains_key(AUTHORIZATION) {
        text.push_str("\nauthorization: ***");
    }
    let named = headers.contains_key(reqwest::header::CONTENT_TYPE);
    match body {
        Some(HttpBody::Bytes {
            content_type,
            bytes,
        }) => {
            if !named {
                text.push_str(&format!("\ncontent-type: {content_type}"));
            }
            text.push_str("\n\n");
            match std::str::from_utf8(bytes) {
                Ok(body) if body.len() <= BODY => text.push_str(body),
                Ok(body) => {
                    text.push_str(&body[..body.floor_char_boundary(BODY)]);
                    text.push_str(&format!("… ({} bytes)", body.len()));
                }
                Err(_) => text.push_str(&format!("({} bytes)", bytes.len())),
            }
        }
        Some(HttpBody::File { content_type, path }) => {
            if !named {
                text.push_str(&format!("\ncontent-type: {content_type}"));
            }
            text.push_str(&format!("\n\n(the file {})", path.display()));
        }
        Some(HttpBody::Empty) | None => {}
    }
    text
}

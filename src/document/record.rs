//! Definitions that read, describe and document themselves.

use schemars::{Schema, json_schema};
use serde_json::{Map as JsonMap, Value as Json};

/// One field of a [`record!`](crate::record), for its schema.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub doc: String,
    pub schema: Schema,
    pub required: bool,
    /// The default as the document would spell it.
    pub default: Option<&'static str>,
}

/// The lines of a doc comment as one text.
#[must_use]
pub fn doc_text(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The schema of a map with these keys and no others.
#[must_use]
pub fn record_schema(doc: &str, fields: Vec<Field>) -> Schema {
    let mut properties = JsonMap::new();
    let mut required = Vec::new();
    for field in fields {
        let mut schema = field.schema;
        if schema.as_bool() == Some(true) {
            schema = json_schema!({});
        }
        let object = schema.ensure_object();
        if !field.doc.is_empty() {
            object.insert("description".to_owned(), Json::String(field.doc));
        }
        if let Some(default) = field.default {
            let value =
                serde_json::from_str(default).unwrap_or_else(|_| Json::String(default.to_owned()));
            object.insert("default".to_owned(), value);
        }
        if field.required {
            required.push(Json::String(field.name.to_owned()));
        }
        properties.insert(field.name.to_owned(), schema.to_value());
    }
    let mut schema = json_schema!({ "type": "object" });
    let object = schema.ensure_object();
    if !doc.is_empty() {
        object.insert("description".to_owned(), Json::String(doc.to_owned()));
    }
    object.insert("properties".to_owned(), Json::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), Json::Array(required));
    }
    object.insert("additionalProperties".to_owned(), Json::Bool(false));
    schema
}

/// Defines a struct that is read from a map: each field is a key. A field is required unless its
/// type has an absent value (`Option`, `Map`, `OneOrMany`) or a default is given, as the document
/// spells it and as Rust does. The struct gets a field `span`: the place of the whole map.
///
/// ```ignore
/// record! {
///     /// Waits.
///     pub struct Wait as "a wait" {
///         /// How long.
///         duration: Duration,
///         /// How often.
///         times: u32 = "1" => 1,
///     }
/// }
/// ```
#[macro_export]
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        $visibility:vis struct $name:ident as $what:literal {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident: $type:ty $(= $default_text:literal => $default:expr)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        $visibility struct $name {
            /// Where the map stands.
            pub span: $crate::document::Span,
            $( $(#[doc = $field_doc])* pub $field: $type, )*
        }

        impl $name {
            /// The keys it knows.
            pub const KEYS: &'static [&'static str] =
                &[$( $crate::document::key_name(stringify!($field)) ),*];

            /// Reads the known keys of a map that may have others. A value that has mistakes is
            /// replaced by its stand-in: the mistakes of the others are found, too.
            pub fn from_entries(
                entries: &[$crate::document::Entry],
                span: $crate::document::Span,
                report: &mut $crate::document::Report,
            ) -> Option<Self> {
                // A record without fields reads nothing.
                let _ = (entries, &report);
                $(
                    let $field: Option<$type> = {
                        let default: &[fn() -> $type] = &[$( || $default )?];
                        $crate::document::read_field(
                            entries,
                            const { $crate::document::key_name(stringify!($field)) },
                            default.first().copied(),
                            ($what, span),
                            report,
                        )
                    };
                )*
                Some(Self { span, $( $field: $field?, )* })
            }
        }

        // Most records are read as a whole: that isn't dead code.
        const _: fn(
            &[$crate::document::Entry],
            $crate::document::Span,
            &mut $crate::document::Report,
        ) -> Option<$name> = $name::from_entries;

        impl $crate::document::FromNode for $name {
            fn from_node(
                node: &$crate::document::Node,
                report: &mut $crate::document::Report,
            ) -> Option<Self> {
                let entries = $crate::document::read_map(node, report)?;
                let entries =
                    $crate::document::refuse_unknown_keys(entries, Self::KEYS, $what, report);
                Self::from_entries(&entries, node.span, report)
            }

            fn schema() -> schemars::Schema {
                $crate::document::record_schema(
                    &$crate::document::doc_text(&[$($doc),*]),
                    vec![$({
                        let default: &[&'static str] = &[$( $default_text )?];
                        let default = default.first().copied();
                        $crate::document::Field {
                            name: const { $crate::document::key_name(stringify!($field)) },
                            doc: $crate::document::doc_text(&[$($field_doc),*]),
                            schema: <$type as $crate::document::FromNode>::schema(),
                            required: default.is_none()
                                && <$type as $crate::document::FromNode>::absent().is_none(),
                            default,
                        }
                    }),*],
                )
            }
        }
    };
}

/// Defines an enum that is read from one of a few words.
///
/// ```ignore
/// choice! {
///     /// How rows meet what is there.
///     pub enum Mode as "mode" {
///         /// Adds them.
///         Append = "append",
///     }
/// }
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident as $what:literal {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $word:literal ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $( $(#[doc = $variant_doc])* $variant, )*
        }

        impl $name {
            /// The words and what they stand for.
            pub const WORDS: &'static [(&'static str, Self)] = &[$( ($word, Self::$variant) ),*];

            /// The word the document uses.
            pub fn word(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }
        }

        // A choice that nobody spells is no dead code.
        const _: fn($name) -> &'static str = $name::word;

        impl $crate::document::FromNode for $name {
            fn from_node(
                node: &$crate::document::Node,
                report: &mut $crate::document::Report,
            ) -> Option<Self> {
                $crate::document::read_choice(node, report, $what, Self::WORDS)
            }

            fn schema() -> schemars::Schema {
                let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
                schemars::json_schema!({ "type": "string", "enum": words })
            }
        }
    };
}

/// A field's key: its name without the `r#` of a Rust keyword.
#[must_use]
pub const fn key_name(field: &'static str) -> &'static str {
    let bytes = field.as_bytes();
    if bytes.len() > 2 && bytes[0] == b'r' && bytes[1] == b'#' {
        let (_, name) = field.split_at(2);
        return name;
    }
    field
}

/// Reads one of a few words; called by [`choice!`](crate::choice).
pub fn read_choice<T: Copy>(
    node: &super::Node,
    report: &mut super::Report,
    what: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let Some(text) = node.as_text() else {
        report.expected(&format!("a {what}"), node);
        return None;
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    report.push(
        super::Diagnostic::error(
            "unknown-value",
            format!("unknown {what} `{text}`"),
            node.span,
        )
        .suggest(text, words.iter().map(|(word, _)| *word), what),
    );
    None
}

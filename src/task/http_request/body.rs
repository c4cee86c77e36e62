//! What a request carries.

use std::num::NonZeroU32;
use std::path::Path;

use serde_json::Value as Json;

use super::call::plain_text;
use crate::connection::{HttpBody, form_encoded};
use crate::document::{Diagnostic, Map, Node, Spanned};
use crate::model::TaskId;
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::{Scope, Template, TemplateValue};

crate::record! {
    /// What a request carries: one of `json`, `form`, `text`, `file` and `dataset`.
    pub struct RawBody as "a body" {
        /// A value of any shape, as JSON; its texts are templates.
        json: Option<Node>,
        /// Fields of a form, as a browser sends them.
        form: Option<Map<Node>>,
        /// A text with templates.
        text: Option<Spanned<String>>,
        /// The file whose bytes are sent.
        file: Option<Spanned<String>>,
        /// The task whose records are sent, as JSON: each in a request of its own, in their order.
        dataset: Option<Spanned<String>>,
        /// How many records of the dataset go into one request: then they are a list.
        batch: Option<NonZeroU32>,
        /// The key of an object around the list of a batch: `items` for `{"items": […]}`.
        under: Option<Spanned<String>>,
        /// The header `Content-Type`, where it isn't that of JSON, a form, a text or the file's extension.
        content_type: Option<String>,
    }
}

/// A checked body.
#[derive(Debug)]
pub(super) enum Body {
    None,
    Json(TemplateValue, Option<String>),
    Form(Vec<(String, TemplateValue)>),
    Text(Template, Option<String>),
    File(Template, Option<String>),
    Dataset(Batching, TaskId),
}

/// How records become requests.
#[derive(Debug, Clone)]
pub struct Batching {
    /// Records of a request; `None`: one, which is the body itself.
    pub batch: Option<NonZeroU32>,
    /// The key of an object around the list.
    pub under: Option<String>,
    pub content_type: Option<String>,
}

impl Body {
    pub(super) fn read(raw: &RawBody, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let given: Vec<&str> = [
            ("json", raw.json.is_some()),
            ("form", raw.form.is_some()),
            ("text", raw.text.is_some()),
            ("file", raw.file.is_some()),
            ("dataset", raw.dataset.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
        if given.len() != 1 {
            let what = match given.as_slice() {
                [] => "this one has none".to_owned(),
                several => format!("this one has `{}`", several.join("` and `")),
            };
            surroundings.report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("a body is one thing, {what}"),
                    raw.span,
                )
                .label("one of `json`, `form`, `text`, `file`, `dataset`"),
            );
            return None;
        }
        for (name, misplaced) in [
            ("batch", raw.batch.is_some() && raw.dataset.is_none()),
            ("under", raw.under.is_some() && raw.batch.is_none()),
        ] {
            if misplaced {
                let needs = if name == "batch" { "dataset" } else { "batch" };
                surroundings.report.push(Diagnostic::error(
                    "conflicting-keys",
                    format!("`{name}` needs `{needs}`"),
                    raw.span,
                ));
                return None;
            }
        }
        let content_type = raw.content_type.clone();
        Some(if let Some(json) = &raw.json {
            Self::Json(surroundings.template_value(json)?, content_type)
        } else if let Some(form) = &raw.form {
            let fields: Vec<Option<_>> = form
                .0
                .iter()
                .map(|(name, node)| Some((name.value.clone(), surroundings.template_value(node)?)))
                .collect();
            Self::Form(fields.into_iter().collect::<Option<_>>()?)
        } else if let Some(text) = &raw.text {
            Self::Text(surroundings.template(text)?, content_type)
        } else if let Some(file) = &raw.file {
            Self::File(surroundings.template(file)?, content_type)
        } else {
            let dataset = raw.dataset.as_ref()?;
            let batching = Batching {
                batch: raw.batch,
                under: raw.under.clone().map(|under| under.value),
                content_type,
            };
            Self::Dataset(batching, surroundings.dataset(dataset)?)
        })
    }

    /// The body of one request; that of a dataset is made of its records.
    pub(super) fn of(
        &self,
        attempt: &AttemptContext,
        scope: &Scope,
    ) -> Result<HttpBody, TaskFailure> {
        let bytes =
            |content_type: &Option<String>, default: &str, bytes: Vec<u8>| HttpBody::Bytes {
                content_type: content_type.clone().unwrap_or_else(|| default.to_owned()),
                bytes: bytes.into(),
            };
        Ok(match self {
            Self::None | Self::Dataset(..) => HttpBody::Empty,
            Self::Json(value, content_type) => {
                let json = value.evaluate(scope)?.to_string();
                bytes(content_type, "application/json", json.into_bytes())
            }
            Self::Form(fields) => {
                let mut pairs: Vec<(&String, String)> = Vec::new();
                for (name, value) in fields {
                    match value.evaluate(scope)? {
                        Json::Null => {}
                        Json::Array(values) => {
                            pairs.extend(values.iter().map(|value| (name, plain_text(value))));
                        }
                        value => pairs.push((name, plain_text(&value))),
                    }
                }
                let pairs: Vec<(&str, &str)> = pairs
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                let form = form_encoded(&pairs);
                bytes(
                    &None,
                    "application/x-www-form-urlencoded",
                    form.into_bytes(),
                )
            }
            Self::Text(text, content_type) => {
                let text = text.render(scope)?;
                bytes(content_type, "text/plain; charset=utf-8", text.into_bytes())
            }
            Self::File(path, content_type) => {
                let path = path.render(scope)?;
                let content_type = content_type
                    .clone()
                    .unwrap_or_else(|| type_of(Path::new(&path)).to_owned());
                HttpBody::File {
                    content_type,
                    path: attempt.places.root.join(path),
                }
            }
        })
    }
}

fn type_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => "application/json",
        Some("ndjson" | "jsonl") => "application/x-ndjson",
        Some("csv") => "text/csv; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("xml") => "application/xml",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        _ => "application/octet-stream",
    }
}

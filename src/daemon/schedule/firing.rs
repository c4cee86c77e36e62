//! What was seen, as what starts a run.

use std::collections::VecDeque;

use serde_json::{Map as JsonMap, Value as Json, json};

use crate::engine::plan::Firing;
use crate::model::Json as JsonText;
use crate::spec::{Pipeline, TriggerSpec};
use crate::template::Scope;
use crate::trigger::Item;

/// Bytes of what several things together hand to a run.
const MOST_BYTES: usize = 1024 * 1024;

/// Takes the next things off that start one run together; what isn't new is dropped on the way.
pub(super) fn batch(
    items: &mut VecDeque<Item>,
    most: Option<u32>,
    is_new: impl Fn(&Item) -> bool,
) -> Vec<Item> {
    let most = most.unwrap_or(1) as usize;
    let mut taken: Vec<Item> = Vec::new();
    let mut bytes = 0;
    while taken.len() < most {
        let Some(item) = items.pop_front() else {
            break;
        };
        if !is_new(&item) {
            continue;
        }
        bytes += serde_json::to_string(&item.detail).map_or(0, |text| text.len());
        if bytes > MOST_BYTES && !taken.is_empty() {
            items.push_front(item);
            break;
        }
        taken.push(item);
    }
    taken
}

/// What things have in store for their run.
///
/// # Errors
/// Its parameters can't be had, or don't fit.
pub(super) fn firing(
    pipeline: &Pipeline,
    spec: &TriggerSpec,
    items: Vec<Item>,
) -> Result<Firing, String> {
    let source = match items.as_slice() {
        [] => String::new(),
        [one] => one.source.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.source, rest.len()),
    };
    let mut details = items.into_iter().map(|item| Json::Object(item.detail));
    let detail = match spec.batch {
        None => details.next().unwrap_or_default(),
        Some(_) => json!({ spec.trigger.list(): details.collect::<Vec<_>>() }),
    };
    let scope = Scope::default().with("run", &json!({ "firing": detail }));
    let mut params = JsonMap::new();
    for (name, value) in &spec.params {
        let value = value.evaluate(&scope);
        let value = value.map_err(|error| format!("{source}: parameter `{name}`: {error}"))?;
        params.insert(name.clone(), value);
    }
    let given = texts(&params);
    let bound = pipeline.params.bind(&given);
    bound.map_err(|errors| format!("{source}: {}", errors.join("; ")))?;
    let text = |value: &Json| JsonText(value.to_string().into());
    Ok(Firing {
        source,
        detail: text(&detail),
        params: text(&Json::Object(params)),
    })
}

/// Parameters as texts, which are read as those of the command line are.
pub(super) fn texts(params: &JsonMap<String, Json>) -> Vec<(String, String)> {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let params = params.iter();
    params
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

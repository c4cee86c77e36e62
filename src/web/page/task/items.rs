//! The items of a group.

use serde::Serialize;

use super::found::{Asked, Found};
use crate::model::{Json, TaskState};
use crate::operate::moment;
use crate::operate::shape::cause_of;
use crate::operate::tone::Tone;
use crate::store::TaskRunRow;
use crate::web::App;
use crate::web::page::frame::Trouble;
use crate::web::page::run::task_link;
use crate::web::page::view;

/// Items that are listed at a time.
pub(super) const ITEMS: usize = 200;

#[derive(Serialize)]
pub(super) struct ItemRow {
    item: u32,
    link: String,
    state: view::State,
    value: String,
    took: String,
    cause: String,
}

/// A page of a group's items, and how many there are.
pub(super) async fn items(
    app: &App,
    found: &Found,
    asked: &Asked,
) -> Result<(Vec<ItemRow>, usize), Trouble> {
    let known = &found.known;
    let rows = known.tasks.iter();
    let rows = rows.filter(|row| row.id.task == found.task && row.id.item.is_some());
    if asked.item.is_some() {
        return Ok((Vec::new(), 0));
    }
    let mut rows: Vec<&TaskRunRow> = rows.collect();
    let total = rows.len();
    if rows.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let values = app.store.items(&known.run.id, found.task).await?;
    // The worst first.
    rows.sort_by_key(|row| (Tone::of_task(&row.state, known.interrupted), row.id.item));
    let page = rows.into_iter().skip(asked.items).take(ITEMS);
    let items = page.map(|row| ItemRow {
        item: row.id.item.unwrap_or(0),
        link: task_link(known, row),
        state: Tone::of_task(&row.state, known.interrupted).into(),
        value: row
            .id
            .item
            .map_or_else(String::new, |item| value(values.get(item as usize))),
        took: match (&row.state, row.started) {
            (TaskState::Finished { at, .. }, Some(started)) => moment::took(started, *at),
            _ => String::new(),
        },
        cause: cause_of(row)
            .map(|cause| cause.message.lines().next().unwrap_or_default().to_owned())
            .unwrap_or_default(),
    });
    Ok((items.collect(), total))
}

/// An item in a few words.
fn value(item: Option<&Json>) -> String {
    const LONGEST: usize = 120;
    let Some(item) = item else {
        return String::new();
    };
    let text = serde_json::from_str::<String>(&item.0).unwrap_or_else(|_| item.0.to_string());
    let mut letters = text.chars();
    let short: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        format!("{short}…")
    } else {
        short
    }
}

//! What can be done with a task.

use super::found::Found;
use crate::operate::tone::Tone;
use crate::web::page::frame::{Field, Sure, Visitor};
use crate::web::page::template::Markup;

/// The buttons, each with a question.
pub(super) fn actions(found: &Found, visitor: &Visitor, item: Option<u32>) -> Vec<Markup> {
    let run = &found.known.run;
    if !visitor.may_run {
        return Vec::new();
    }
    let sure = |label, verb: &str, question: &str, more: &[(&'static str, String)]| {
        let mut fields = vec![Field {
            name: "task",
            value: found.name.to_string(),
        }];
        fields.extend(more.iter().map(|(name, value)| Field {
            name,
            value: value.clone(),
        }));
        Sure {
            label,
            question: question.to_owned(),
            action: format!("/runs/{}/{verb}", run.id),
            csrf: &visitor.csrf,
            class: "main",
            fields,
            left: false,
        }
        .show()
    };
    let row = found.row.as_ref();
    if let Some(item) = item {
        let failed = row.is_some_and(|row| {
            matches!(
                Tone::of_task(&row.state, false),
                Tone::Failed | Tone::UpstreamFailed | Tone::Cancelled
            )
        });
        let question = "This item runs again, and then what comes after its task. Others stay.";
        let item = [("item", item.to_string())];
        let again = failed.then(|| sure("Retry this item", "retry", question, &item));
        return again.into_iter().collect();
    }
    let finished = row.is_some_and(|row| row.state.is_finished());
    let mut actions = Vec::new();
    if finished {
        let question = "This task and all that come after it are cleared and run again; what they left is made anew.";
        actions.push(sure("Run again from here", "retry", question, &[]));
    }
    let mark = |as_what: &str| [("as", as_what.to_owned())];
    let tone = row.map(|row| Tone::of_task(&row.state, false));
    let question = "It counts as done, and what waits for it goes on.";
    if tone != Some(Tone::Success) {
        actions.push(sure("Mark as success", "mark", question, &mark("success")));
    }
    let question = "It counts as failed, and what waits for it won't run.";
    if tone != Some(Tone::Failed) {
        actions.push(sure("Mark as failed", "mark", question, &mark("failed")));
    }
    actions
}

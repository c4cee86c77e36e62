//! The statements of a check, for looking at them before a run.

use super::read::{Check, Subject};
use super::rule::{Circumstances, RuleKind};
use super::sql::{Query, Relation};
use crate::model::Timestamp;
use crate::task::{Deed, Stage, Touch};

/// What a check asks: first all of its subject, then what each rule asks of it. What has a name
/// that is known only in a run is left out.
pub(super) fn of(check: &Check) -> Vec<Touch<'_>> {
    let touch = |deed| Touch {
        connection: check.connection.as_str(),
        deed,
    };
    let (relation, first) = match &check.subject {
        Subject::Table(table) => {
            let relation = Relation::table(table);
            let question = Deed::Question {
                text: relation.statement("*", "").text,
                place: table.span,
            };
            (Ok(relation), question)
        }
        Subject::Query(query) => (Relation::query(query, None), script(query)),
    };
    let mut touches = vec![touch(first)];
    let Ok(subject) = relation else {
        return touches;
    };
    let with = Circumstances {
        subject: &subject,
        dialect: check.dialect,
        scope: None,
        time: Timestamp::UNIX_EPOCH,
    };
    for rule in &check.rules {
        if let RuleKind::NoRows(query) = &rule.kind {
            touches.push(touch(script(query)));
        } else if let Ok(relation) = rule.kind.offending(&with) {
            touches.push(touch(Deed::Question {
                text: relation.statement(rule.kind.count(), "").text,
                place: rule.place,
            }));
        }
    }
    touches
}

fn script(query: &Query) -> Deed<'_> {
    Deed::Script {
        code: &query.0.code,
        transaction: false,
        stage: Stage::None,
    }
}

//! What the server says beside its answers.
//!
//! sqlx hands notices to nobody but `tracing`, as events of one target, from within the poll of
//! the query that they belong to. So each session polls its queries with a subscriber of its own,
//! which keeps these events and hands everything else on to the subscriber of the process.
//! sqlx drops a notice's detail and hint; its severity is told by the level.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use crate::connection::Notice;

const TARGET: &str = "sqlx::postgres::notice";

/// More notices between two looks than a person would read are left out.
const LIMIT: usize = 1000;

/// The notices of one session.
#[derive(Clone)]
pub(super) struct Notices {
    heard: Arc<Mutex<Vec<Notice>>>,
    ear: Dispatch,
}

impl Notices {
    pub(super) fn new() -> Self {
        let heard = Arc::default();
        let ear = Dispatch::new(Ear {
            heard: Arc::clone(&heard),
            others: tracing::dispatcher::get_default(Clone::clone),
        });
        Self { heard, ear }
    }

    /// Runs a query of the session.
    pub(super) async fn during<T>(&self, query: impl Future<Output = T>) -> T {
        query.with_subscriber(self.ear.clone()).await
    }

    /// What was said since the last call.
    pub(super) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Ear {
    heard: Arc<Mutex<Vec<Notice>>>,
    others: Dispatch,
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET || self.others.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() != TARGET {
            self.others.event(event);
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let severity = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "NOTICE",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "INFO",
        };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() < LIMIT {
            heard.push(Notice {
                severity: severity.to_owned(),
                message: message.0,
            });
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.others.new_span(span)
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        self.others.record(span, values);
    }
    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.others.record_follows_from(span, follows);
    }
    fn enter(&self, span: &Id) {
        self.others.enter(span);
    }
    fn exit(&self, span: &Id) {
        self.others.exit(span);
    }
    fn clone_span(&self, id: &Id) -> Id {
        self.others.clone_span(id)
    }
    fn try_close(&self, id: Id) -> bool {
        self.others.try_close(id)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

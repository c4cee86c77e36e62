//! What a kind of trigger is, and what a trigger does.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::Schema;
use serde_json::{Map as JsonMap, Value as Json};
use tokio::sync::OwnedSemaphorePermit;

use super::hook::Hook;
use crate::connection::{Connections, Places};
use crate::document::{Map, Node, Spanned};
use crate::engine::plan::Key;
use crate::task::{Clock, Surroundings};
use crate::template::Shape;

/// A row of [`KINDS`](super::KINDS).
pub struct Kind {
    /// The key that names it in a trigger.
    pub name: &'static str,
    /// One or a few sentences.
    pub doc: &'static str,
    /// A whole pipeline file that uses it, as YAML; a test parses it.
    pub example: &'static str,
    /// The shape of a trigger of this kind.
    pub schema: fn() -> Schema,
    /// Reads a trigger, and reports every mistake.
    pub parse: fn(&Node, &mut Surroundings<'_>) -> Option<Read>,
}

/// A trigger as it was read.
pub struct Read {
    pub trigger: Arc<dyn Trigger>,
    /// Most things that start one run together; `None`: each starts a run of its own.
    pub batch: Option<NonZeroU32>,
    /// The run's parameters, not checked yet.
    pub params: Map<Node>,
    /// Environment variables that it needs.
    pub env: Vec<Spanned<String>>,
}

/// A checked trigger. It opens nothing before it is watched.
pub trait Trigger: Send + Sync + std::fmt::Debug {
    /// What it is, in a few words: `file inbox/*.csv`.
    fn words(&self) -> String;

    /// What it waits for: `a file inbox/*.csv`. Tells the triggers of a DAG apart.
    fn awaited(&self) -> String;

    /// The names that templates find in `run.firing` for one thing.
    fn shape(&self) -> Shape;

    /// The name of the list in `run.firing` for several: `files`.
    fn list(&self) -> &'static str;

    /// Begins to watch; `None` for what others tell of.
    fn watch(&self, around: &Around) -> Option<Box<dyn Watch>>;

    /// The trigger as a webhook, when it is one.
    fn as_hook(&self) -> Option<&Hook> {
        None
    }
}

/// What a trigger watches with.
#[derive(Clone)]
pub struct Around {
    /// For the administrators of what is asked: `runner orders`.
    pub purpose: String,
    pub connections: Arc<Connections>,
    pub places: Arc<Places>,
    pub clock: Clock,
    /// Nobody waits for more than what is there already.
    pub once: bool,
    /// How many triggers of the same kind stand before it in its DAG.
    pub ordinal: usize,
    /// The numbers of the next messages of the streams that its DAG has read.
    pub stands: BTreeMap<String, i64>,
}

/// Somebody who looks, again and again.
#[async_trait]
pub trait Watch: Send {
    /// Waits until there is something to tell, at first only for as long as a look takes. After an
    /// error it is called again, later and later.
    ///
    /// # Errors
    /// What can't be looked at, and why.
    async fn look(&mut self) -> Result<Sight, WatchError>;
}

/// Why nothing can be seen, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WatchError(pub String);

/// What was seen.
#[derive(Debug)]
pub enum Sight {
    /// All that is there now.
    View(View),
    /// This has come since the last look. `quiet`: and there is no more for now.
    Arrived { items: Vec<Item>, quiet: bool },
    /// Streams are read from here on.
    Stands(Vec<(String, i64)>),
}

/// All that is there.
#[derive(Debug, Default)]
pub struct View {
    /// What may start runs, in its order.
    pub items: Vec<Item>,
    /// The names of what is there and isn't ready.
    pub unready: Vec<String>,
    /// Names that are seen if they are there: those among them that aren't in the view are gone.
    pub scope: Scope,
}

/// Which names a view is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// What all of them begin with.
    pub prefix: String,
    /// A pattern of paths for what follows; `None`: anything.
    pub pattern: Option<String>,
}

impl Scope {
    /// Whether a view would have a thing of this name if it were there.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.prefix) else {
            return false;
        };
        let pattern = self.pattern.as_ref();
        pattern.is_none_or(|pattern| crate::data::matches_pattern(pattern, rest))
    }
}

/// One thing that calls for a run.
#[derive(Debug)]
pub struct Item {
    pub key: Key,
    /// For people: `file inbox/a.csv`.
    pub source: String,
    /// What templates see.
    pub detail: JsonMap<String, Json>,
    /// Held until it has started its run, so that not all of a long stream is in memory.
    pub room: Option<OwnedSemaphorePermit>,
}

//! Which commands a server can be asked for.

use super::Command;

/// Where a command can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Here, or by a server: the API can do it.
    Anywhere,
    /// Only where the project's files and its state are.
    Project,
    /// It is about this machine, whatever a server has.
    Machine,
}

impl Command {
    /// Its name, and where it can be carried out.
    pub fn reach(&self) -> (&'static str, Reach) {
        match self {
            Self::Backfill(_) => ("backfill", Reach::Anywhere),
            Self::Cancel(_) => ("cancel", Reach::Anywhere),
            Self::Data(_) => ("data", Reach::Anywhere),
            Self::List(_) => ("list", Reach::Anywhere),
            Self::Logs(_) => ("logs", Reach::Anywhere),
            Self::Mark(_) => ("mark", Reach::Anywhere),
            Self::Next(_) => ("next", Reach::Anywhere),
            Self::Pause(_) => ("pause", Reach::Anywhere),
            Self::Retry(_) => ("retry", Reach::Anywhere),
            Self::Runs(_) => ("runs", Reach::Anywhere),
            Self::Show(_) => ("show", Reach::Anywhere),
            Self::Trigger(_) => ("trigger", Reach::Anywhere),
            Self::Unpause(_) => ("unpause", Reach::Anywhere),
            Self::Why(_) => ("why", Reach::Anywhere),
            Self::Db(_) => ("db", Reach::Project),
            Self::Gc(_) => ("gc", Reach::Project),
            Self::Notify(_) => ("notify", Reach::Project),
            Self::Resume(_) => ("resume", Reach::Project),
            Self::Simulate(_) => ("simulate", Reach::Project),
            Self::Timeline(_) => ("timeline", Reach::Project),
            Self::Token(_) => ("token", Reach::Project),
            Self::Topic(_) => ("topic", Reach::Project),
            Self::User(_) => ("user", Reach::Project),
            Self::Check(_) => ("check", Reach::Machine),
            Self::Completions(_) => ("completions", Reach::Machine),
            Self::Exchange(_) => ("exchange", Reach::Machine),
            Self::Init(_) => ("init", Reach::Machine),
            Self::Man(_) => ("man", Reach::Machine),
            Self::Schedule(_) => ("schedule", Reach::Machine),
            Self::Schema(_) => ("schema", Reach::Machine),
            Self::Service(_) => ("service", Reach::Machine),
            Self::Setup(_) => ("setup", Reach::Machine),
            Self::Types(_) => ("types", Reach::Machine),
            Self::Web(_) => ("web", Reach::Machine),
        }
    }
}

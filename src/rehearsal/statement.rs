//! One statement, read by its database.

use crate::connection::{DatabaseError, Described, Dialect, Session, Statement};
use crate::document::{Diagnostic, Span};
use crate::sqltext::{HoleKind, ScriptStatement, Transaction};
use crate::task::SqlCode;

/// What came of a statement.
pub(super) enum Outcome {
    /// The database reads it, and says what it gives.
    Fine(Described),
    /// The database refuses it.
    Refused(Refusal),
    /// It wasn't looked at, and why.
    Skipped(String),
}

/// Why a database refuses a statement.
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) place: Span,
    pub(super) hint: Option<String>,
    /// SQLSTATE of PostgreSQL.
    pub(super) code: String,
}

/// What is done with a statement, by its first word.
enum Way {
    /// The database describes it.
    Describe,
    /// It is executed, so that later statements find what it makes.
    Execute,
    /// It makes nothing that others need.
    Leave,
    /// It can't be told what it does without doing it.
    Unknown,
}

/// PostgreSQL's codes for a lock or a statement that took too long.
const TOO_LONG: [&str; 2] = ["55P03", "57014"];

/// Has a statement described, or executed when it defines something.
pub(super) async fn look(
    session: &mut dyn Session,
    code: &SqlCode,
    statement: &ScriptStatement,
) -> Outcome {
    let nature = &statement.nature;
    let name = nature.name.to_uppercase();
    if nature.transaction != Transaction::Inside {
        return Outcome::Skipped(format!("`{name}` can't be in a transaction"));
    }
    let identifier = |hole: &crate::sqltext::Hole| matches!(hole.kind, HoleKind::Identifier(_));
    if statement.holes.iter().any(identifier) {
        return Outcome::Skipped("a name in it is known only in a run".to_owned());
    }
    let way = way(code.script.statement_text(statement), session.dialect());
    if matches!(way, Way::Leave) {
        return Outcome::Fine(Described::default());
    }
    if matches!(way, Way::Unknown) {
        return Outcome::Skipped(format!("what `{name}` does is known only in a run"));
    }
    if matches!(way, Way::Execute) && !statement.holes.is_empty() {
        return Outcome::Skipped("its values are known only in a run".to_owned());
    }
    let none = |_: &str| Err(());
    let Ok(positional) = code.script.positional(statement, none) else {
        return Outcome::Skipped("a name in it is known only in a run".to_owned());
    };
    let text = positional.sql.text().to_owned();
    match guarded(session, text, &way).await {
        Ok(described) => Outcome::Fine(described),
        Err(DatabaseError::Statement {
            code: Some(sqlstate),
            message,
            ..
        }) if TOO_LONG.contains(&&*sqlstate) => Outcome::Skipped(message),
        Err(error) => {
            let offset = match &error {
                DatabaseError::Statement {
                    place: Some(place), ..
                } => positional.sql.origin(place.offset),
                _ => statement.range.start,
            };
            Outcome::Refused(refusal(&error, code, offset))
        }
    }
}

/// Has a question described, whose text stands nowhere but in `place`.
pub(super) async fn ask(
    session: &mut dyn Session,
    text: String,
    place: Span,
) -> Result<(), Refusal> {
    match guarded(session, text, &Way::Describe).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::of(&error, place)),
    }
}

fn refusal(error: &DatabaseError, code: &SqlCode, offset: usize) -> Refusal {
    let text = &code.script.text;
    let rest = text.get(offset..).unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"');
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let length = if word > 0 {
        word
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    };
    Refusal::of(error, code.place(offset..offset + length))
}

/// Does it so that the transaction goes on when it is refused.
async fn guarded(
    session: &mut dyn Session,
    text: String,
    way: &Way,
) -> Result<Described, DatabaseError> {
    send(session, "SAVEPOINT runner_check").await?;
    let done = match way {
        Way::Execute => {
            let statement = Statement {
                text,
                values: Vec::new(),
            };
            session
                .execute(&statement)
                .await
                .map(|_| Described::default())
        }
        _ => session.describe(&text).await,
    };
    if done.is_err() {
        send(session, "ROLLBACK TO SAVEPOINT runner_check").await?;
    }
    send(session, "RELEASE SAVEPOINT runner_check").await?;
    done
}

/// Executes a statement of our own.
pub(super) async fn send(session: &mut dyn Session, text: &str) -> Result<(), DatabaseError> {
    let statement = Statement {
        text: text.to_owned(),
        values: Vec::new(),
    };
    session.execute(&statement).await.map(drop)
}

fn way(text: &str, dialect: Dialect) -> Way {
    let mut words = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase);
    let first = words.next().unwrap_or_default();
    match first.as_str() {
        "select" | "insert" | "update" | "delete" | "merge" | "values" | "table" | "with"
        | "replace" => Way::Describe,
        "create" | "alter" | "drop" | "comment" | "grant" | "revoke" | "set" | "reset" => {
            Way::Execute
        }
        "do" | "call" | "import" => Way::Unknown,
        // SQLite reads every statement when it is asked about it.
        _ if dialect == Dialect::Sqlite => Way::Describe,
        _ => Way::Leave,
    }
}

impl Refusal {
    fn of(error: &DatabaseError, place: Span) -> Self {
        let mut refusal = Self {
            message: error.to_string(),
            place,
            hint: None,
            code: String::new(),
        };
        if let DatabaseError::Statement {
            message,
            code,
            detail,
            hint,
            ..
        } = error
        {
            refusal.message.clone_from(message);
            refusal.hint = hint.as_ref().or(detail.as_ref()).map(ToString::to_string);
            refusal.code = code.as_deref().map(str::to_owned).unwrap_or_default();
        }
        refusal
    }

    /// As an error, or as a warning when something that would have mended it may be missing here
    /// only.
    pub(super) fn into_diagnostic(self, excuse: Option<String>) -> Diagnostic {
        let diagnostic = match &excuse {
            Some(_) => Diagnostic::warning("refused-statement", self.message, self.place),
            None => Diagnostic::error("refused-statement", self.message, self.place),
        };
        match excuse.or(self.hint) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

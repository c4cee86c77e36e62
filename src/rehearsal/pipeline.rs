//! One pipeline: its tasks in their order, in one transaction on each database.

use std::collections::{BTreeMap, BTreeSet};

use super::load;
use super::reach::Reached;
use super::statement::{self, Outcome, Refusal};
use super::topic::{Declared, Topics};
use crate::connection::{Described, Dialect, Session};
use crate::document::{Diagnostic, Span};
use crate::model::DagId;
use crate::spec::{Pipeline, Project};
use crate::sqltext::{TableChange, table_changes};
use crate::task::{Deed, Load, SqlCode, Stage, Touch};

/// The tables that pipelines make, by connection and name, and the topics: another one may not have
/// run yet.
#[derive(Default)]
pub(super) struct Known {
    makers: BTreeMap<(String, String), BTreeSet<DagId>>,
    topics: Declared,
}

impl Known {
    /// Reads the scripts of all pipelines.
    pub(super) fn of(project: &Project) -> Self {
        let mut known = Self {
            topics: Declared::of(project),
            ..Self::default()
        };
        for (id, pipeline) in &project.pipelines {
            for touch in pipeline.tasks.iter().flat_map(|task| task.action.touches()) {
                let Deed::Script { code, .. } = touch.deed else {
                    continue;
                };
                for name in made_by(code) {
                    let at = (touch.connection.to_owned(), name);
                    known.makers.entry(at).or_default().insert(id.clone());
                }
            }
        }
        known
    }

    /// Another pipeline that makes something that a message names.
    fn maker(&self, connection: &str, message: &str, own: &DagId) -> Option<&DagId> {
        let mut words = message.split(['"', '`', '.', ' ']);
        words.find_map(|word| {
            let at = (connection.to_owned(), word.to_lowercase());
            self.makers.get(&at)?.iter().find(|id| *id != own)
        })
    }
}

/// The names of tables, views and schemas that a script makes.
fn made_by(code: &SqlCode) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for change in table_changes(&code.script) {
        match change {
            TableChange::Create(table) => names.push(table.name.name),
            TableChange::Unclear(name) => names.push(name.name),
            TableChange::Add(..) | TableChange::SearchPath | TableChange::Code(_) => {}
        }
    }
    for statement in &code.script.statements {
        let text = code.script.statement_text(statement).to_lowercase();
        let mut words = text
            .split_whitespace()
            .skip_while(|word| *word != "view" && *word != "schema");
        if text.starts_with("create") && words.next().is_some() {
            let name = words.find(|word| !matches!(*word, "if" | "not" | "exists"));
            let last = name.and_then(|name| name.split(['(', ';']).next()?.rsplit('.').next());
            names.extend(last.map(|name| name.trim_matches('"').to_owned()));
        }
    }
    names
}

/// The databases of a pipeline while it is looked at.
struct Stages<'a> {
    project: &'a Project,
    own: &'a DagId,
    known: &'a Known,
    reached: &'a Reached,
    sessions: BTreeMap<String, Box<dyn Session>>,
    /// Databases on which something wasn't executed, so that others may miss it.
    gaps: BTreeSet<String>,
    topics: Topics,
    /// The last deed was refused.
    has_refused: bool,
    found: Vec<Diagnostic>,
}

/// Looks at the statements and loads of a pipeline. All that is done is rolled back.
pub(super) async fn rehearse(
    project: &Project,
    pipeline: &Pipeline,
    known: &Known,
    reached: &Reached,
) -> Vec<Diagnostic> {
    let mut stages = Stages {
        project,
        own: &pipeline.id,
        known,
        reached,
        sessions: BTreeMap::new(),
        gaps: BTreeSet::new(),
        topics: Topics::default(),
        has_refused: false,
        found: Vec::new(),
    };
    // Tasks are in topological order.
    for task in &pipeline.tasks {
        let mut source: Option<Described> = None;
        let mut lost = false;
        for (number, touch) in task.action.touches().into_iter().enumerate() {
            // Without what it asks about, each further question would fail for the same reason.
            if lost && matches!(touch.deed, Deed::Question { .. }) {
                continue;
            }
            stages.has_refused = false;
            source = stages.touch(touch, source).await;
            lost |= number == 0 && stages.has_refused;
        }
    }
    for session in stages.sessions.values_mut() {
        // A session that can't roll back is ended by the server, which does.
        let _ = session.rollback().await;
    }
    stages.found
}

impl Stages<'_> {
    /// Looks at one deed; gives the columns of the rows it hands on.
    async fn touch(&mut self, touch: Touch<'_>, source: Option<Described>) -> Option<Described> {
        if !self.reached.is_there(touch.connection) {
            return None;
        }
        if let Deed::Topic { .. } | Deed::Declaration { .. } = touch.deed {
            let found = self.topic(&touch).await;
            self.found.extend(found);
            return None;
        }
        if let Err(message) = self.open(touch.connection).await {
            self.found.push(Diagnostic::error(
                "unreachable-connection",
                format!("connection `{}` can't be used: {message}", touch.connection),
                match &touch.deed {
                    Deed::Script { code, .. } => code.place(0..0),
                    Deed::Load(load) => load.place,
                    Deed::Question { place, .. }
                    | Deed::Topic { place, .. }
                    | Deed::Declaration { place, .. } => *place,
                },
            ));
            return None;
        }
        match touch.deed {
            Deed::Script { code, stage, .. } => self.script(touch.connection, code, &stage).await,
            Deed::Load(load) => {
                self.load(touch.connection, &load, source.as_ref()).await;
                None
            }
            Deed::Question { text, place } => {
                self.question(touch.connection, text, place).await;
                None
            }
            Deed::Topic { .. } | Deed::Declaration { .. } => None,
        }
    }

    /// Looks at a topic whose name is known.
    async fn topic(&mut self, touch: &Touch<'_>) -> Option<Diagnostic> {
        let connection = touch.connection;
        let cluster = self.project.settings.connections.kafka(connection)?;
        Some(match touch.deed {
            Deed::Declaration {
                name,
                partitions,
                place,
            } => {
                let topics = &mut self.topics;
                topics
                    .declare(cluster, connection, name?, partitions, place)
                    .await
            }
            Deed::Topic { name, place } => {
                let others = (&self.known.topics, self.own);
                self.topics
                    .look(cluster, connection, name?, place, others)
                    .await
            }
            _ => return None,
        })
    }

    /// Has the database read a question of a task.
    async fn question(&mut self, connection: &str, text: String, place: Span) {
        let Some(session) = self.sessions.get_mut(connection) else {
            return;
        };
        if let Err(refusal) = statement::ask(&mut **session, text, place).await {
            self.refused(connection, refusal);
        }
    }

    /// Tells of something that the database refuses.
    fn refused(&mut self, connection: &str, refusal: Refusal) {
        let is_missing = MISSING.contains(&refusal.code.as_str())
            || refusal.message.starts_with("no such table");
        let excuse = if is_missing {
            let message = &refusal.message;
            excuse(&self.gaps, self.known, self.own, connection, message)
        } else {
            None
        };
        self.has_refused = true;
        // What it would have made is missing from now on.
        self.found.push(refusal.into_diagnostic(excuse));
    }

    /// Opens a session with a transaction, at first use.
    async fn open(&mut self, connection: &str) -> Result<(), String> {
        if self.sessions.contains_key(connection) {
            return Ok(());
        }
        let database = self.project.settings.connections.database(connection);
        let database = database.ok_or_else(|| "it is no database".to_owned())?;
        let mut session = begun(database).await.map_err(|error| error.to_string())?;
        if session.dialect() == Dialect::Postgres {
            for setting in ["lock_timeout = '2s'", "statement_timeout = '10s'"] {
                statement::send(&mut *session, &format!("SET LOCAL {setting}"))
                    .await
                    .map_err(|error| error.to_string())?;
            }
        }
        self.sessions.insert(connection.to_owned(), session);
        Ok(())
    }

    async fn script(
        &mut self,
        connection: &str,
        code: &SqlCode,
        stage: &Stage,
    ) -> Option<Described> {
        let session = self.sessions.get_mut(connection)?;
        match stage {
            Stage::None => {}
            Stage::Unknown => {
                let message = format!("`{}` isn't checked against the database", code.name);
                self.found.push(
                    Diagnostic::note("unchecked-statement", message, code.place(0..0))
                        .help("the columns of `batch` are known when `columns:` names them"),
                );
                return None;
            }
            Stage::Table(definition) => {
                let text = format!("{definition};");
                statement::send(&mut **session, text.trim_end_matches(';'))
                    .await
                    .ok()?;
            }
        }
        let mut last = None;
        for part in &code.script.statements {
            let session = self.sessions.get_mut(connection)?;
            match statement::look(&mut **session, code, part).await {
                Outcome::Fine(described) => last = Some(described),
                Outcome::Skipped(reason) => {
                    self.gaps.insert(connection.to_owned());
                    let start = part.range.start;
                    let end = (start + part.nature.name.len()).min(part.range.end);
                    self.found.push(
                        Diagnostic::note(
                            "unchecked-statement",
                            "this statement isn't checked against the database",
                            code.place(start..end),
                        )
                        .help(reason),
                    );
                }
                Outcome::Refused(refusal) => self.refused(connection, refusal),
            }
        }
        if matches!(stage, Stage::Table(_)) {
            let session = self.sessions.get_mut(connection)?;
            statement::send(&mut **session, "DROP TABLE IF EXISTS batch")
                .await
                .ok()?;
        }
        last.filter(|described| !described.columns.is_empty())
    }

    async fn load(&mut self, connection: &str, load: &Load<'_>, source: Option<&Described>) {
        let (Some(session), Some(table)) = (self.sessions.get_mut(connection), load.table) else {
            return;
        };
        match session.table(table).await {
            Ok(shape) => self.found.extend(load::compare(load, &shape, source)),
            Err(error) => {
                let message = error.to_string();
                let excuse = excuse(&self.gaps, self.known, self.own, connection, &message);
                self.found.push(load::no_table(&error, load.place, excuse));
            }
        }
    }
}

/// PostgreSQL's codes for a table, a schema, a function and a type that don't exist.
const MISSING: [&str; 4] = ["42P01", "3F000", "42883", "42704"];

/// Why something may be missing here and not in a run.
fn excuse(
    gaps: &BTreeSet<String>,
    known: &Known,
    own: &DagId,
    connection: &str,
    message: &str,
) -> Option<String> {
    if let Some(maker) = known.maker(connection, message, own) {
        return Some(format!("`{maker}` makes it, and has to run before"));
    }
    gaps.contains(connection)
        .then(|| "a statement before it wasn't executed here, which may make it".to_owned())
}

async fn begun(
    database: &dyn crate::connection::Database,
) -> Result<Box<dyn Session>, crate::connection::DatabaseError> {
    let mut session = database.session("runner check").await?;
    session.begin().await?;
    Ok(session)
}

//! The row of the table, and the configured connection.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::{Schema, json_schema};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::address::{self, Address};
use super::error::{of_opening, place_of};
use super::ledger::Ledger;
use super::reach::Reach;
use super::session::PostgresSession;
use crate::connection::{
    Access, Connection, ConnectionKind, Database, DatabaseError, Dialect, Places, Session,
    Surroundings,
};
use crate::document::{Diagnostic, FromNode, Node, Spanned, Value, nearest};
use crate::secret::Secret;

pub(in crate::connection) const KIND: ConnectionKind = ConnectionKind {
    name: "postgres",
    doc: "A PostgreSQL database: a URL, or `embedded` for a private server of the project with a \
          database of the connection's name.",
    example: "warehouse: { postgres: embedded }\n",
    schema,
    parse,
};

crate::record! {
    /// A PostgreSQL database.
    pub struct Settings as "a postgres connection" {
        /// `postgres://user:password@host:port/database`, or `embedded`.
        url: Spanned<String>,
        /// The server ends each statement after this time.
        statement_timeout: Option<Duration>,
        /// Sessions at a time; attempts wait for a free one.
        max_connections: NonZeroU32 = "16" => DEFAULT_CONNECTIONS,
    }
}

const DEFAULT_CONNECTIONS: NonZeroU32 = NonZeroU32::new(16).expect("16 isn't 0");

/// How long an attempt waits for one of the connection's sessions, and for the server to answer.
/// Who needs longer has retries.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries of a server that is away for the moment.
const PAUSE: Duration = Duration::from_millis(100);

fn schema() -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "examples": ["embedded", "postgres://user@host/database"] },
            Settings::schema(),
        ]
    })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let settings = if let Value::Text(_) = node.value {
        Settings {
            span: node.span,
            url: Spanned::from_node(node, surroundings.report)?,
            statement_timeout: None,
            max_connections: DEFAULT_CONNECTIONS,
        }
    } else if node.as_map().is_some() {
        Settings::from_node(node, surroundings.report)?
    } else {
        surroundings
            .report
            .expected("`embedded`, a URL or a map with `url`", node);
        return None;
    };
    let database = surroundings.id.to_string();
    let (address, reach) = if *settings.url == "embedded" {
        let places = Arc::clone(surroundings.places);
        (Address::Embedded, Reach::embedded(places, database.clone()))
    } else {
        match address::read_url(&settings.url) {
            Ok(options) => (
                Address::Url(Secret::new(settings.url.value.clone())),
                Reach::url(options),
            ),
            Err(message) => {
                let diagnostic = Diagnostic::error("invalid-url", message, settings.url.span);
                surroundings
                    .report
                    .push(match nearest(&settings.url, ["embedded"]) {
                        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                        None => diagnostic,
                    });
                return None;
            }
        }
    };
    Some(Arc::new(PostgresConnection {
        database,
        address,
        reach,
        places: Arc::clone(surroundings.places),
        statement_timeout: settings.statement_timeout,
        sessions: Arc::new(Semaphore::new(settings.max_connections.get() as usize)),
        ledger: Ledger::default(),
    }))
}

/// A configured database. Connects at the first use.
#[derive(Debug)]
struct PostgresConnection {
    /// The database's name on an embedded server.
    database: String,
    address: Address,
    reach: Reach,
    places: Arc<Places>,
    statement_timeout: Option<Duration>,
    sessions: Arc<Semaphore>,
    ledger: Ledger,
}

impl Connection for PostgresConnection {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn secrets(&self) -> Vec<String> {
        let Address::Url(url) = &self.address else {
            return Vec::new();
        };
        let Some(password) = address::password(url.reveal()) else {
            return Vec::new();
        };
        // As it stands in the URL, and as the server gets it.
        vec![password.to_owned(), address::percent_decoded(password)]
    }

    fn as_database(&self) -> Option<&dyn Database> {
        Some(self)
    }
}

/// Why there is no session.
enum Unopened {
    /// The server is away for the moment: it may be back soon.
    Away(DatabaseError),
    Failed(DatabaseError),
}

impl PostgresConnection {
    async fn open(
        &self,
        purpose: &str,
        permit: &Arc<OwnedSemaphorePermit>,
    ) -> Result<PostgresSession, Unopened> {
        let reached = self.reach.get().await.map_err(|error| match error {
            error @ DatabaseError::Connection { .. } => Unopened::Away(error),
            error => Unopened::Failed(error),
        })?;
        let options = address::session_options(
            reached.reveal().options.clone(),
            purpose,
            self.statement_timeout,
        );
        let ledger = self.ledger.clone();
        match PostgresSession::open(options, ledger, Arc::clone(permit)).await {
            Ok(session) => {
                self.reach.answered();
                Ok(session)
            }
            Err(error) => {
                let away = self.reach.lost(&reached, &error).await;
                let error = of_opening(&error, &place_of(&reached.reveal().options));
                Err(if away {
                    Unopened::Away(error)
                } else {
                    Unopened::Failed(error)
                })
            }
        }
    }
}

#[async_trait]
impl Database for PostgresConnection {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn session(&self, purpose: &str) -> Result<Box<dyn Session>, DatabaseError> {
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.sessions).acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| DatabaseError::Connection {
                message: format!(
                    "all sessions of the connection were busy for {} s: raise `max_connections`, \
                     or give the tasks a pool",
                    PATIENCE.as_secs()
                ),
            })?;
        let deadline = Instant::now() + PATIENCE;
        let permit = Arc::new(permit);
        loop {
            let opened = tokio::time::timeout_at(deadline, self.open(purpose, &permit)).await;
            match opened {
                Ok(Ok(session)) => return Ok(Box::new(session)),
                Ok(Err(Unopened::Away(error))) if Instant::now() + PAUSE > deadline => {
                    return Err(error);
                }
                Ok(Err(Unopened::Away(_))) => tokio::time::sleep(PAUSE).await,
                Ok(Err(Unopened::Failed(error))) => return Err(error),
                Err(_) => {
                    return Err(DatabaseError::Connection {
                        message: format!("the server didn't answer for {} s", PATIENCE.as_secs()),
                    });
                }
            }
        }
    }

    async fn access(&self) -> Result<Access, DatabaseError> {
        match &self.address {
            Address::Url(url) => Ok(address::access(url.reveal(), None)),
            Address::Embedded => {
                let server = address::server(&self.places, &self.database).await?;
                let url = server.url(&self.database);
                Ok(address::access(&url, Some(server)))
            }
        }
    }
}

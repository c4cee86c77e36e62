//! How a server is reached, and whether one that doesn't answer is worth waiting for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::sync::Mutex;

use super::address::{self, Reached};
use crate::connection::{DatabaseError, Places};
use crate::secret::Secret;

/// The way to a server. The project's own one is started when it is needed, and again when it was
/// lost together with its supervisor.
#[derive(Debug)]
pub(super) struct Reach {
    /// Where the project's own server is, and the name of the database.
    embedded: Option<(Arc<Places>, String)>,
    reached: Mutex<State>,
    /// It has answered this process before: that it doesn't now is no mistake in its address.
    known: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    reached: Option<Arc<Secret<Reached>>>,
    /// It was lost: look for the server anew, but hold on to it until there is another one, so
    /// that a server that is still there doesn't lose its last client.
    lost: bool,
}

impl Reach {
    /// A server of somebody's.
    pub(super) fn url(options: PgConnectOptions) -> Self {
        let reached = Reached {
            options,
            _server: None,
        };
        Self {
            embedded: None,
            reached: Mutex::new(State {
                reached: Some(Arc::new(Secret::new(reached))),
                lost: false,
            }),
            known: AtomicBool::new(false),
        }
    }

    /// The project's own server, with the database of this name.
    pub(super) fn embedded(places: Arc<Places>, database: String) -> Self {
        Self {
            embedded: Some((places, database)),
            reached: Mutex::default(),
            known: AtomicBool::new(true),
        }
    }

    /// The way to it; the first one to ask starts the project's own server.
    pub(super) async fn get(&self) -> Result<Arc<Secret<Reached>>, DatabaseError> {
        let mut state = self.reached.lock().await;
        if let (Some(reached), false) = (&state.reached, state.lost) {
            return Ok(Arc::clone(reached));
        }
        let Some((places, database)) = &self.embedded else {
            return Err(DatabaseError::refused("the connection has no address"));
        };
        let reached = address::embedded(places, database).await?;
        let reached = Arc::new(Secret::new(reached));
        *state = State {
            reached: Some(Arc::clone(&reached)),
            lost: false,
        };
        Ok(reached)
    }

    /// The server has let somebody in.
    pub(super) fn answered(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// The server has let nobody in; says whether it may do so soon.
    pub(super) async fn lost(&self, reached: &Arc<Secret<Reached>>, error: &sqlx::Error) -> bool {
        if !matches!(error, sqlx::Error::Database(_)) && self.embedded.is_some() {
            let mut state = self.reached.lock().await;
            if state
                .reached
                .as_ref()
                .is_some_and(|held| Arc::ptr_eq(held, reached))
            {
                state.lost = true;
            }
        }
        match error {
            // It is starting, stopping or recovering, or has no room for the moment.
            sqlx::Error::Database(error) => {
                let code = error.code();
                matches!(code.as_deref(), Some("57P01" | "57P02" | "57P03" | "53300"))
            }
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => self.known.load(Ordering::Relaxed),
            _ => false,
        }
    }
}

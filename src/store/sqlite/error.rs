//! SQLite's errors, in words that say what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::store::StoreError;

/// Which file it is about, and what was being done with it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: Arc<PathBuf>,
    /// How long another process may hold the lock.
    pub(super) patience: Duration,
}

impl Place {
    pub(super) fn new(path: &Path, patience: Duration) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            patience,
        }
    }

    /// An error while the state was `opened`, `read` or `written`.
    pub(super) fn explain(&self, action: &'static str, error: &sqlx::Error) -> StoreError {
        let file = self.path.display();
        let message = match primary_code(error) {
            Some(5 | 6) => format!(
                "another process has locked `{file}` for more than {} s; end it (`fuser -v {file}` \
                 shows it) and try again",
                self.patience.as_secs_f64()
            ),
            Some(8) => {
                format!("`{file}` is read-only; make it and its folder writable for this user")
            }
            Some(10) => format!(
                "reading or writing `{file}` fails ({}); look into the system log for errors of its disk",
                text(error)
            ),
            Some(11) => {
                return StoreError::Corrupt(format!(
                    "`{file}` is not well-formed any more ({}); restore it from a backup, or move it \
                     away together with its `-wal` file to begin anew",
                    text(error)
                ));
            }
            Some(13) => format!("the disk of `{file}` is full; make room and try again"),
            Some(14) => format!(
                "`{file}` can't be opened; its folder must exist and be writable for this user"
            ),
            Some(26) => {
                return StoreError::Corrupt(format!(
                    "`{file}` is not an SQLite database; move it away to begin anew"
                ));
            }
            _ => format!("`{file}`: {}", text(error)),
        };
        StoreError::Unavailable { action, message }
    }
}

/// SQLite's result code without its refinements: <https://www.sqlite.org/rescode.html>.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn text(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

/// Whether a constraint of the schema refused it: something is wrong with the request, nothing
/// with the database.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(19)
}

/// Whether another process has the lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(5 | 6))
}

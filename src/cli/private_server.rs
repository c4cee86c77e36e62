//! A private server of the project, for other programs.

use std::io::Write as _;

use super::attend::Signals;
use super::look;

/// Keeps it up until ^C when it is to be held, and says otherwise who else does: `users`, behind
/// "a run, ".
pub async fn keep_up(held: bool, users: &str) -> std::io::Result<()> {
    let faint = look::FAINT;
    let mut told = anstream::stderr();
    if held {
        writeln!(told, "{faint}the server is up until ^C{faint:#}")?;
        Signals::new()?.interrupted().await;
        return Ok(());
    }
    writeln!(
        told,
        "{faint}the server is only up while something uses it: a run, {users}{faint:#}"
    )
}

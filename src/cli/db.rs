//! `runner db`: a database of the project in its own shell, or its URL.

use std::io::{ErrorKind, Write as _};

use super::arguments::{Db, DbCommand, DbUrl};
use super::attend::Signals;
use super::context::{Context, runtime};
use super::private_server::keep_up;
use super::{Mistake, exit, find};
use crate::connection::Access;
use crate::spec::Project;

pub fn run(context: &Context, command: &Db) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    runtime()?.block_on(async {
        match (&command.command, &command.connection) {
            (Some(DbCommand::Url(command)), _) => url(&project, command).await,
            (None, Some(connection)) => shell(&project, connection, command).await,
            // Clap asks for one of them.
            (None, None) => Err(Mistake::new("which connection?").into()),
        }
    })
}

async fn access(project: &Project, name: &str) -> anyhow::Result<Access> {
    let what = "no database";
    let database = find::connection(project, name, what, |connection| connection.as_database())?;
    let access = database.access().await;
    access.map_err(|error| Mistake::new(format!("connection `{name}`: {error}")).into())
}

async fn shell(project: &Project, connection: &str, command: &Db) -> anyhow::Result<u8> {
    let access = access(project, connection).await?;
    // ^C is for the statement in the shell, not for what started it.
    let _signals = Signals::new()?;
    let started = tokio::process::Command::new(access.client)
        .args(&access.arguments)
        .args(&command.arguments)
        .envs(
            access
                .variables
                .iter()
                .map(|(name, value)| (name, value.reveal())),
        )
        .status()
        .await;
    match started {
        Ok(status) if status.success() => Ok(exit::OK),
        Ok(_) => Ok(exit::FAILED),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Mistake::new(format!("`{}` isn't installed", access.client))
                .help(format!(
                    "install it ({}), or give another program what `runner db url {connection}` \
                     prints",
                    access.install
                ))
                .into())
        }
        Err(error) => Err(anyhow::Error::new(error).context(format!("`{}`", access.client))),
    }
}

async fn url(project: &Project, command: &DbUrl) -> anyhow::Result<u8> {
    let access = access(project, &command.connection).await?;
    writeln!(std::io::stdout(), "{}", access.url.reveal())?;
    if !access.is_private() {
        return Ok(exit::OK);
    }
    let name = &command.connection;
    let users = format!("`runner db {name}`, or `runner db url {name} --hold`");
    keep_up(command.hold, &users).await?;
    Ok(exit::OK)
}

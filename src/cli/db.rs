//! `runner db`: a database of the project in its own shell, or its URL.

use std::io::{ErrorKind, Write as _};

use super::arguments::{Db, DbCommand, DbUrl};
use super::attend::Signals;
use super::context::{Context, runtime, unknown};
use super::{Mistake, exit, look};
use crate::connection::{Access, Database};
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

fn database<'a>(project: &'a Project, name: &str) -> anyhow::Result<&'a dyn Database> {
    let connections = &project.settings.connections;
    if let Some(database) = connections.database(name) {
        return Ok(database);
    }
    if let Some(connection) = connections.get(name) {
        let mistake = format!("connection `{name}` ({}) is no database", connection.kind());
        return Err(Mistake::new(mistake).into());
    }
    let databases = connections
        .iter()
        .filter(|(_, connection)| connection.as_database().is_some());
    let names = databases.map(|(id, _)| id.as_str());
    Err(unknown("connection", name, names).into())
}

async fn access(project: &Project, name: &str) -> anyhow::Result<Access> {
    let access = database(project, name)?.access().await;
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
    let faint = look::FAINT;
    let mut told = anstream::stderr();
    if command.hold {
        writeln!(told, "{faint}the server is up until ^C{faint:#}")?;
        Signals::new()?.interrupted().await;
    } else {
        writeln!(
            told,
            "{faint}the server is only up while something uses it: a run, `runner db {name}`, or \
             `runner db url {name} --hold`{faint:#}",
            name = command.connection
        )?;
    }
    Ok(exit::OK)
}

//! `runner notify`: say something by a connection, to see whether it arrives.

use std::io::Write as _;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::arguments::Notify;
use super::context::{Context, runtime, unknown};
use super::{Mistake, exit, look};
use crate::connection::Sending;
use crate::daemon::clock::{clock, now};
use crate::daemon::{masker_of, trial};

pub fn run(context: &Context, command: &Notify) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    let connections = &project.settings.connections;
    let name = &command.connection;
    let Some(notifier) = connections.notifier(name) else {
        if let Some(connection) = connections.get(name) {
            let kind = connection.kind();
            return Err(Mistake::new(format!("connection `{name}` is a `{kind}`"))
                .help("messages are carried by connections of kind `webhook` and `smtp`")
                .into());
        }
        let carriers = connections.iter().map(|(name, _)| name.as_str());
        let carriers = carriers.filter(|name| connections.notifier(name).is_some());
        return Err(unknown("connection", name, carriers).into());
    };
    let root = &project.places.root;
    let folder = root.file_name().map(|name| name.to_string_lossy());
    let folder = folder.unwrap_or_else(|| root.to_string_lossy());
    let mut message = trial(&folder, now(), command.text.as_deref());
    message.to.clone_from(&command.to);
    message.channel.clone_from(&command.channel);
    let masker = masker_of(&project);
    let around = Sending {
        log: Arc::new(|line| tracing::info!("{line}")),
        cancel: CancellationToken::new(),
        clock: clock(),
        sent: None,
        masker: masker.clone(),
    };
    match runtime()?.block_on(notifier.notify(&message, &around)) {
        Ok(place) => {
            let (good, place) = (look::GOOD, masker.mask(&place));
            writeln!(anstream::stdout(), "{good}told{good:#} {place}")?;
            Ok(exit::OK)
        }
        Err(error) => {
            let (bad, reason) = (look::ERROR, masker.mask(&error.to_string()));
            writeln!(anstream::stderr(), "{bad}not told{bad:#}: {reason}")?;
            Ok(exit::FAILED)
        }
    }
}

//! `runner web`: pages and API, until ^C.

use std::io::Write as _;
use std::sync::Arc;

use super::arguments::{Serving as Arguments, Web};
use super::context::{Context, runtime};
use super::schedule::reader;
use super::trigger::Signals;
use super::{Mistake, exit, log_lines, look};
use crate::daemon::clock::clock;
use crate::store::RunStore as _;
use crate::store::SqliteStore;
use crate::web::account::Accounts;
use crate::web::{App, AppParts, Hosts, Server, Serving, Unfit};

pub fn run(context: &Context, command: &Web) -> anyhow::Result<u8> {
    context.require_project()?;
    log_lines::start(command.log);
    runtime()?.block_on(async {
        let store = context.sqlite().await?;
        let (server, app) = prepare(context, &command.serving, &store).await?;
        let bold = look::BOLD;
        writeln!(
            anstream::stdout(),
            "{bold}http://{}{bold:#}",
            server.address()
        )?;
        let mut signals = Signals::new()?;
        server.serve(app, signals.interrupted()).await;
        store.close().await;
        Ok(exit::OK)
    })
}

/// Listens, and makes what is served.
pub async fn prepare(
    context: &Context,
    arguments: &Arguments,
    store: &Arc<SqliteStore>,
) -> anyhow::Result<(Server, Arc<App>)> {
    let serving = Serving {
        listen: arguments.listen,
        public_urls: arguments.public_url.clone(),
        open: arguments.no_sign_in,
    };
    let server = Server::bind(&serving).await.map_err(mistake)?;
    let hosts = Hosts::new(server.address(), &serving.public_urls).map_err(mistake)?;
    let app = App::new(AppParts {
        store: store.clone(),
        places: context.places.clone(),
        read: reader(context),
        clock: clock(),
        hosts,
        accounts: Accounts::new(store.clone(), &context.places.state),
        open: serving.open,
    });
    Ok((server, app))
}

fn mistake(error: Unfit) -> Mistake {
    let help = error.help();
    Mistake::new(error.to_string()).help(help)
}

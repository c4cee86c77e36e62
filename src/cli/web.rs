//! `runner web`: pages and API, until ^C; also beside the scheduler.

use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::arguments::Web;
use super::attend::Signals;
use super::context::{Context, runtime};
use super::{Mistake, exit, log_lines, look};
use crate::daemon::clock::{clock, now};
use crate::document::{Diagnostic, Severity};
use crate::spec::render_text;
use crate::store::{RunStore as _, SqliteStore};
use crate::web::account::Accounts;
use crate::web::{App, AppParts, Hosts, Listen, Proxies, Server, Serving, Unfit};

pub fn run(context: &Context, command: &Web) -> anyhow::Result<u8> {
    context.require_project()?;
    log_lines::start(command.log);
    runtime()?.block_on(async {
        let store = context.sqlite().await?;
        let serving = Serving {
            listen: command.serving.listen.clone(),
            public_urls: command.serving.public_url.clone(),
            trusted_proxies: command.serving.trusted_proxy.clone(),
            open: command.serving.no_sign_in,
        };
        let (server, app) = prepare(context, &serving, &store).await?;
        let (bold, faint) = (look::BOLD, look::FAINT);
        let mut out = anstream::stdout();
        writeln!(out, "{bold}{}{bold:#}", app.hosts.url())?;
        if let Some(link) = first_link(&serving, &app).await? {
            writeln!(out, "{faint}sign in by this link, once:{faint:#}\n  {link}")?;
        }
        warn(&serving, &app);
        say_what_is_broken(&app);
        let mut signals = Signals::new()?;
        server.serve(app, signals.interrupted()).await;
        store.close().await;
        Ok(exit::OK)
    })
}

/// Pages and API beside something else.
pub struct Pages {
    tell: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Pages {
    /// Serves from now on.
    pub async fn begin(
        context: &Context,
        serving: &Serving,
        store: &Arc<SqliteStore>,
    ) -> anyhow::Result<Self> {
        let (server, app) = prepare(context, serving, store).await?;
        tracing::info!(url = %app.hosts.url(), "serving pages and API");
        if let Some(link) = first_link(serving, &app).await? {
            tracing::info!(%link, "sign in by this link, once");
        }
        warn(serving, &app);
        let (tell, told) = oneshot::channel();
        let told = async {
            let _ = told.await;
        };
        let serving = tokio::spawn(server.serve(app, told));
        Ok(Self { tell, serving })
    }

    /// Ends in good order.
    pub async fn end(self) {
        let _ = self.tell.send(());
        let _ = self.serving.await;
    }
}

/// Listens, and makes what is served.
async fn prepare(
    context: &Context,
    serving: &Serving,
    store: &Arc<SqliteStore>,
) -> anyhow::Result<(Server, Arc<App>)> {
    let server = Server::bind(serving)
        .await
        .map_err(|error| mistake(&error))?;
    let hosts =
        Hosts::new(server.listen(), &serving.public_urls).map_err(|error| mistake(&error))?;
    let app = App::new(AppParts {
        store: store.clone(),
        places: context.places.clone(),
        read: context.reader(),
        clock: clock(),
        hosts,
        proxies: Proxies::new(serving.trusted_proxies.clone()),
        accounts: Accounts::new(store.clone(), &context.places.state),
        open: serving.open,
    });
    Ok((server, app))
}

/// Makes the first account, and gives the link that lets it in. Through a socket it leads nowhere: a
/// browser finds none.
async fn first_link(serving: &Serving, app: &App) -> anyhow::Result<Option<String>> {
    if serving.open {
        return Ok(None);
    }
    let link = app.accounts.first_link(app.hosts.url(), now()).await?;
    let is_found = matches!(serving.listen, Listen::Address(_)) || !serving.public_urls.is_empty();
    Ok(link.filter(|_| is_found))
}

/// The pages show it, too, to those who get in; the scheduler says it by itself.
fn say_what_is_broken(app: &App) {
    let snapshot = app.snapshot();
    let is_error = |one: &Diagnostic| one.severity == Severity::Error;
    if snapshot.diagnostics.iter().any(is_error) {
        let text = render_text(&snapshot.diagnostics, &snapshot.sources, false);
        let text = text.trim_end();
        tracing::error!("what is broken is left out:\n{text}");
    }
}

fn warn(serving: &Serving, app: &App) {
    if !serving.listen.is_local() && !app.hosts.is_https() {
        tracing::warn!(
            "passwords and sessions cross the network as they are: put a proxy with TLS in front, \
             and say `--public-url https://…`"
        );
    }
}

fn mistake(error: &Unfit) -> Mistake {
    let help = error.help();
    Mistake::new(error.to_string()).help(help)
}

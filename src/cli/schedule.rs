//! `runner schedule`: begins runs by their schedules until it is told to end.

use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::arguments::Schedule;
use super::context::{Context, runtime};
use super::log_lines::{self, RunLines};
use super::web::Pages;
use super::{Mistake, engage, exit};
use crate::daemon::schedule::{DaemonLock, NotAlone, Scheduler, SchedulerParts, Until, Watch};
use crate::daemon::{Alarm, Control, Supervisor};
use crate::secret::Environment;
use crate::store::RunStore;
use crate::web::Serving;

pub fn run(context: &Context, command: &Schedule) -> anyhow::Result<u8> {
    context.require_project()?;
    if command.status {
        return status(context);
    }
    log_lines::start(command.log);
    // Who is second is told before anything else; the lock itself comes later, and decides.
    if let Some(owner) = DaemonLock::holder(&context.places.state) {
        return Err(taken(NotAlone::taken_by(&owner.0)));
    }
    // Before the first look at the files: nothing changes unheard.
    let watch = Watch::begin(context.places.root.clone());
    let runtime = runtime()?;
    let opening = context.begin_opening(&runtime);
    let (project, loaded) = context.project()?;
    runtime.block_on(async {
        let sqlite = opening.end(context).await?;
        let store: Arc<dyn RunStore> = sqlite.clone();
        let (mut host, heard) = engage::host(&context.places.state, &project, &store)?;
        let lock = DaemonLock::acquire(&context.places.state, host.owner()).map_err(taken)?;
        match watch {
            Ok(watch) => watch.tell(host.control())?,
            Err(error) => {
                tracing::warn!(%error, "changes of files aren't heard of: SIGHUP reloads");
            }
        }
        let alarm = Alarm::new()
            .inspect_err(|error| tracing::warn!(%error, "no alarm of the kernel: counting seconds"))
            .ok();
        hear_signals(host.control())?;
        host.follow_supervisor(Supervisor::of(&Environment::of_process()));
        let lines = tokio::spawn(RunLines::default().tell(heard));
        let pages = match command.web.clone() {
            Some(listen) => {
                let serving = Serving {
                    listen,
                    public_urls: command.public_url.clone(),
                    trusted_proxies: command.trusted_proxy.clone(),
                    open: command.no_sign_in,
                };
                Some(Pages::begin(context, &serving, &sqlite).await?)
            }
            None => None,
        };
        let scheduler = Scheduler::new(SchedulerParts {
            host,
            lock,
            alarm,
            until: match command.until {
                Some(moment) => Until::Moment(moment),
                None if command.once => Until::Once,
                None => Until::Told,
            },
            grace: command.grace,
            read: context.reader(),
            loaded,
        });
        // By a thread of the runtime: see `attend`.
        tokio::spawn(scheduler.run()).await??;
        if let Some(pages) = pages {
            pages.end().await;
        }
        lines.await?;
        store.close().await;
        tracing::info!("ended");
        Ok(exit::OK)
    })
}

/// Whether a daemon is at work.
fn status(context: &Context) -> anyhow::Result<u8> {
    let mut out = anstream::stdout();
    if let Some(owner) = DaemonLock::holder(&context.places.state) {
        writeln!(out, "{}", NotAlone::taken_by(&owner.0))?;
        return Ok(exit::OK);
    }
    writeln!(out, "nobody schedules this project: `runner schedule` does")?;
    Ok(exit::FAILED)
}

fn taken(error: NotAlone) -> anyhow::Error {
    match error {
        NotAlone::Taken(_) => Mistake::new(error.to_string())
            .help("one is enough: it hears of changes by itself. `runner list` shows what it does")
            .into(),
        other @ NotAlone::File { .. } => other.into(),
    }
}

/// ^C and SIGTERM drain, said again they end; SIGHUP reloads.
fn hear_signals(control: UnboundedSender<Control>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut told = false;
        loop {
            let control_of = tokio::select! {
                _ = interrupt.recv() => Control::Drain,
                _ = terminate.recv() => Control::Drain,
                _ = hangup.recv() => Control::Reload,
            };
            if matches!(control_of, Control::Drain) {
                if told {
                    tracing::warn!("ending at once: what runs goes on at the next start");
                } else {
                    tracing::info!(
                        "ending: nothing new starts, what runs may end; once more ends at once"
                    );
                }
                told = true;
            }
            if control.send(control_of).is_err() {
                return;
            }
        }
    });
    Ok(())
}

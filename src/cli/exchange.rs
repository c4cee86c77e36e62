//! `runner exchange`: the exchange on one's own machine, until ^C.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::arguments::{Exchange as Arguments, Rate};
use super::attend::Signals;
use super::context::runtime;
use super::{exit, look};
use crate::daemon::clock::clock;
use crate::exchange::{Exchange, ExchangeOptions, RateMode};

pub fn run(command: &Arguments) -> anyhow::Result<u8> {
    runtime()?.block_on(async {
        let listener = listen(command).await?;
        let address = listener.local_addr()?;
        let exchange = Exchange::new(ExchangeOptions {
            seed: command.seed,
            clock: match command.clock {
                Some(time) => Arc::new(move || time),
                None => clock(),
            },
            rate: match command.rate {
                Rate::Real => RateMode::Real,
                Rate::Unlimited => RateMode::Unlimited,
            },
            faults: command.fault.clone(),
        });
        let mut signals = Signals::new()?;
        match &command.address_file {
            Some(path) => tell_supervisor(path, address)?,
            None => tell_person(address)?,
        }
        tokio::select! {
            served = exchange.serve(listener) => served?,
            () = signals.interrupted() => {}
        }
        Ok(exit::OK)
    })
}

/// Listens where the one before has, if that can be had: its clients still ask there.
async fn listen(command: &Arguments) -> anyhow::Result<TcpListener> {
    if let Some(path) = &command.address_file
        && let Ok(text) = std::fs::read_to_string(path)
        && let Some(before) = text.split_whitespace().nth(1)
        && let Ok(listener) = TcpListener::bind(before).await
    {
        return Ok(listener);
    }
    TcpListener::bind(&command.listen)
        .await
        .with_context(|| format!("cannot listen on {}", command.listen))
}

/// Process and address, in a file that appears at once.
fn tell_supervisor(path: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let text = format!("{} {address}\n", std::process::id());
    let new = path.with_extension("new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn tell_person(address: SocketAddr) -> anyhow::Result<()> {
    let url = format!("http://{address}");
    let faint = look::FAINT;
    let mut text = format!(
        "{faint}an exchange at {url}, until ^C; these turn the connections to it:{faint:#}\n"
    );
    for (variable, url) in Exchange::variables(&url) {
        writeln!(text, "export {variable}={url}")?;
    }
    anstream::stdout().write_all(text.as_bytes())?;
    anstream::stdout().flush()?;
    Ok(())
}

//! The exchange as a private server of a project.

use std::path::Path;

use runner::embedded::exchange::{acquire, acquire_with};
use runner::embedded::{EmbeddedError, Lifetime};

use super::server::ask;
use crate::embedded::project::{end, wait_until_free};
use crate::support::eventually::{eventually_blocking, so};
use crate::support::postgres::runner;

fn get(url: &str) -> String {
    let (address, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    ask(address, "GET", &format!("/{path}"), "").body
}

#[tokio::test]
async fn it_serves_while_it_has_clients_and_comes_back_to_its_address() -> Result<(), EmbeddedError>
{
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".runner");
    let first = acquire(&state, runner()).await?;
    let second = acquire(&state, runner()).await?;
    let url = first.base_url("kraken");
    assert_eq!(second.base_url("kraken"), url, "they share it");
    let ticker = format!("{url}/0/public/Ticker?pair=XBTEUR");
    assert!(get(&ticker).contains("XXBTZEUR"));
    drop(first);
    assert!(
        get(&ticker).contains("XXBTZEUR"),
        "the second still needs it"
    );

    // Killed, it is started again where it was: who knows the address goes on.
    let file = state.join("exchange/address");
    let before = std::fs::read_to_string(&file).unwrap();
    let pid: i32 = before.split_once(' ').unwrap().0.parse().unwrap();
    end(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    );
    wait_for_another(&file, &before);
    let third = acquire(&state, runner()).await?;
    assert_eq!(third.base_url("kraken"), url);
    assert!(get(&ticker).contains("XXBTZEUR"));

    drop((second, third));
    for lock in ["supervisor.lock", "server.lock"] {
        wait_until_free(&state.join("exchange").join(lock));
    }
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "it ends with its last client"
    );
    Ok(())
}

/// Waits until another process has taken its place.
fn wait_for_another(address: &Path, before: &str) {
    eventually_blocking(|| {
        let now = std::fs::read_to_string(address).unwrap();
        so(now != before, || "it isn't started again")
    });
}

#[tokio::test]
async fn nothing_is_left_of_an_ephemeral_one() -> Result<(), EmbeddedError> {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".runner");
    let server = acquire_with(&state, runner(), Lifetime::Ephemeral).await?;
    let lock = std::fs::File::options()
        .write(true)
        .open(state.join("exchange/supervisor.lock"));
    drop(server);
    lock.unwrap().lock().unwrap();
    assert!(!state.exists());
    Ok(())
}

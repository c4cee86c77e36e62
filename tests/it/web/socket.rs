//! A Unix socket instead of an address, and proxies in front.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::signal::Signal;
use runner::store::{AccountStore as _, Role};
use serde_json::json;
use tokio::process::{Child, Command};

use super::client::FILES;
use super::{Ask, Site};
use crate::kill::project::{Project, code, signal};
use crate::support::eventually::eventually;
use crate::support::postgres::runner;

async fn asked(socket: &Path, token: &str) -> (String, i32) {
    let mut command = Command::new(runner());
    command.args(["--server", &format!("unix:{}", socket.display()), "list"]);
    let output = command.env("RUNNER_TOKEN", token).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), code(output.status))
}

async fn start(project: &Project, listen: &str) -> Child {
    let child = project.start(&["web", "--listen", listen]);
    let socket = listen.strip_prefix("unix:").unwrap();
    let socket = project.root().join(socket);
    eventually(async || match asked(&socket, "wrong").await {
        (text, 2) if text.contains("RUNNER_TOKEN opens nothing") => Ok(()),
        (text, _) => Err(format!("{text}\n{}", project.said())),
    })
    .await;
    child
}

#[tokio::test]
async fn a_socket_is_for_its_user_only_and_goes_away_with_the_server() {
    let project = Project::new(FILES);
    let socket = project.root().join("web.sock");
    let listen = "unix:web.sock";

    let mut first = start(&project, listen).await;
    let mut token = project.command(&["token", "add", "test", "--scope", "read"]);
    let output = token.stdout(std::process::Stdio::piped()).output();
    let token = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let token = token.trim();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (list, _) = asked(&socket, token).await;
    assert!(list.contains("hello"), "{list}");
    assert!(!project.said().contains("sign in by"), "{}", project.said());
    assert_eq!(project.run(&["web", "--listen", listen]).await, 2);
    assert!(project.said().contains("somebody listens there already"));

    // One that was killed leaves it behind, and the next takes it over.
    signal(&first, Signal::SIGKILL);
    project.end_of(&mut first).await;
    assert!(socket.exists());
    let (text, code) = asked(&socket, token).await;
    assert!(code == 1 && text.contains("can't be reached"), "{text}");
    let mut second = start(&project, listen).await;
    signal(&second, Signal::SIGTERM);
    assert!(project.end_of(&mut second).await.success());
    assert!(!socket.exists());

    // What isn't a socket is left alone.
    std::fs::write(&socket, "kept").unwrap();
    assert_eq!(project.run(&["web", "--listen", listen]).await, 2);
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "kept");
    let nowhere = "unix:nowhere/web.sock";
    assert_eq!(project.run(&["web", "--listen", nowhere]).await, 2);
    assert!(
        project.said().contains("its folder must be there"),
        "{}",
        project.said()
    );
}

#[tokio::test]
async fn it_says_at_its_start_what_is_broken() {
    let broken = "dag: broken\ntasks: { a: { shel: echo } }\n";
    let project = Project::new(&[FILES, &[("pipelines/broken.yaml", broken)]].concat());
    let mut child = start(&project, "unix:web.sock").await;
    eventually(async || {
        let said = project.said();
        let whole = said.contains("what is broken is left out") && said.contains("broken.yaml:2:");
        whole.then_some(()).ok_or(said)
    })
    .await;
    signal(&child, Signal::SIGTERM);
    assert!(project.end_of(&mut child).await.success());
}

/// Tries to sign in until it is told to wait, each time as somebody else: how often it was let try.
async fn tries(site: &Site, client: impl Fn(u32) -> String) -> u32 {
    for at in 0..60 {
        let ask = Ask::new("POST", "/sign-in")
            .header("origin", &site.origin())
            .header("x-forwarded-for", &client(at))
            .form(&format!("user=nobody{at}&password=x"));
        if ask.send(site).await.status == 429 {
            return at;
        }
    }
    60
}

#[tokio::test]
async fn whoever_guesses_through_a_proxy_is_known_by_its_own_address() {
    let own = |_| "192.0.2.1".to_owned();
    let behind = Site::behind(FILES, &["127.0.0.1"]).await;
    let most = tries(&behind, own).await;
    assert!((10..60).contains(&most), "{most}");
    assert_eq!(tries(&behind, |_| "192.0.2.2".to_owned()).await, most);
    let deeds = behind.store.deeds(None, 1).await.unwrap();
    assert_eq!(deeds[0].address, "192.0.2.2");
    // Nobody is believed who isn't named.
    let open = Site::new().await;
    assert_eq!(tries(&open, |at| format!("192.0.2.{at}")).await, most);
    let deeds = open.store.deeds(None, 1).await.unwrap();
    assert_eq!(deeds[0].address, "127.0.0.1");
}

#[tokio::test]
async fn what_was_done_is_kept_with_the_client_s_address() {
    for (proxies, expected) in [
        (&["127.0.0.0/8"][..], "192.0.2.1"),
        (&["10.0.0.1", "unix"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        let site = Site::behind(FILES, proxies).await;
        let token = site.token(Role::Operator, None).await;
        let put = Ask::new("PUT", "/api/v1/dags/daily/paused")
            .bearer(&token)
            .header("x-forwarded-for", "198.51.100.7, 192.0.2.1")
            .json(&json!({ "paused": true }));
        assert_eq!(put.send(&site).await.status, 200);
        let deeds = site.store.deeds(None, 1).await.unwrap();
        assert_eq!(deeds[0].address, expected, "{proxies:?}");
    }
}

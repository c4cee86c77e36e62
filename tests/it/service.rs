//! The daemon as a service: what systemd is told, and the unit file.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything takes that works.
const DEADLINE: Duration = Duration::from_mins(1);

fn project() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("service-")
        .tempdir()
        .unwrap();
    let pipelines = folder.path().join("pipelines");
    std::fs::create_dir(&pipelines).unwrap();
    std::fs::write(folder.path().join("runner.yaml"), "").unwrap();
    let text = "dag: a\nschedule: \"@yearly\"\ntasks: { one: { shell: \"true\" } }\n";
    std::fs::write(pipelines.join("a.yaml"), text).unwrap();
    folder
}

fn runner(project: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.arg("-C").arg(project).stdin(Stdio::null());
    command
}

/// What is said until something is.
fn until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let Ok(length) = socket.recv(&mut bytes) else {
            panic!("`{wanted}` isn't said, but {heard:?}");
        };
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        heard.push(text.clone());
        if text.starts_with(wanted) {
            return heard;
        }
    }
}

#[test]
fn systemd_is_told_how_the_daemon_is() {
    let project = project();
    let address = project.path().join("notify.socket");
    let socket = UnixDatagram::bind(&address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut daemon = runner(project.path())
        .arg("schedule")
        .env("NOTIFY_SOCKET", &address)
        .env("WATCHDOG_USEC", "200000")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(&socket, "READY=1");
    let said = until(&socket, "STATUS=");
    let status = said.last().unwrap();
    assert!(
        status.starts_with("STATUS=1 DAGs, 0 runs going on, next at "),
        "{status}"
    );
    for _ in 0..3 {
        until(&socket, "WATCHDOG=1");
    }
    let pid = Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    kill(pid, Signal::SIGHUP).unwrap();
    until(&socket, "RELOADING=1\nMONOTONIC_USEC=");
    until(&socket, "READY=1");
    kill(pid, Signal::SIGTERM).unwrap();
    until(&socket, "STOPPING=1");
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn a_unit_file_is_written_and_removed_and_never_anothers() {
    let project = project();
    let config = tempfile::tempdir().unwrap();
    let service = |arguments: &[&str]| {
        let done = runner(project.path())
            .arg("service")
            .args(arguments)
            .args(["--user", "--name", "etl"])
            .env("XDG_CONFIG_HOME", config.path())
            // No service manager of this machine is to hear of it.
            .env("PATH", "")
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8(said).unwrap())
    };
    let file = config.path().join("systemd/user/etl.service");
    let (code, said) = service(&["install"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with(&format!("wrote {}\n", file.display())),
        "{said}"
    );
    assert!(
        said.contains("systemctl --user enable --now etl.service"),
        "{said}"
    );
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(service(&["show"]), (Some(0), written.clone()));

    let (_, said) = service(&["install"]);
    assert!(said.contains("is as it should be"), "{said}");
    let (_, said) = service(&["install", "--grace", "2m"]);
    assert!(said.starts_with("changed "), "{said}");
    let changed = std::fs::read_to_string(&file).unwrap();
    assert!(changed.contains("TimeoutStopSec=135s"), "{changed}");

    let (code, said) = service(&["uninstall"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!file.exists());
    let (code, said) = service(&["uninstall"]);
    assert_eq!(
        (code, said.starts_with("there is no ")),
        (Some(0), true),
        "{said}"
    );

    for other in [
        "[Service]\nExecStart=/bin/true\n",
        &written.replace("service-", "other-"),
    ] {
        std::fs::write(&file, other).unwrap();
        for action in ["install", "uninstall"] {
            let (code, said) = service(&[action]);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("isn't of this project"), "{said}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
        }
    }
}

//! The broker's ports, which are the same at each start if nobody has taken them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Where the broker listens, on the loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// For clients.
    pub(super) clients: u16,
    /// For the broker's talk with itself as its own controller.
    pub(super) controller: u16,
}

impl Ports {
    /// The ports of the last start if they are free, others where they aren't.
    pub(super) fn choose(last: Option<Self>) -> std::io::Result<Self> {
        // Both are held until both are known, so that they differ.
        let clients = hold(last.map(|last| last.clients))?;
        let controller = hold(last.map(|last| last.controller))?;
        Ok(Self {
            clients: clients.local_addr()?.port(),
            controller: controller.local_addr()?.port(),
        })
    }

    /// The ports that an earlier start has left in a file.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse);
        Some(Self {
            clients: numbers.next()?.ok()?,
            controller: numbers.next()?.ok()?,
        })
    }

    pub(super) fn write(self, path: &Path) -> std::io::Result<()> {
        fs::write(path, format!("{} {}\n", self.clients, self.controller))
    }
}

fn hold(wanted: Option<u16>) -> std::io::Result<TcpListener> {
    let kept = wanted.and_then(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    match kept {
        Some(kept) => Ok(kept),
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Whether the process itself listens on the port: another one may have been faster.
pub(super) fn listens(pid: u32, port: u16) -> bool {
    let Ok(table) = fs::read_to_string("/proc/net/tcp") else {
        return false;
    };
    let Some(socket) = listening_socket(&table, port) else {
        return false;
    };
    let files = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    files
        .flatten()
        .any(|file| fs::metadata(file.path()).is_ok_and(|found| found.ino() == socket))
}

/// The inode of the socket that listens on a port of the loopback address.
fn listening_socket(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    // The address as a number in the machine's own order, and the port in hexadecimal.
    let number = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    let local = format!("{number:08X}:{port:04X}");
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let found = words.nth(1)? == local && words.nth(1)? == LISTEN;
        found.then(|| words.nth(5)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stay_the_same_unless_they_are_taken() {
        let first = Ports::choose(None).expect("ports");
        assert_ne!(first.clients, first.controller);
        assert_eq!(Ports::choose(Some(first)).expect("ports"), first);

        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first.clients)).expect("a port");
        let next = Ports::choose(Some(first)).expect("ports");
        assert_ne!(next.clients, first.clients);
        assert_eq!(next.controller, first.controller);
        assert!(listens(std::process::id(), first.clients));
        assert!(!listens(std::process::id(), next.clients));
        assert!(!listens(1, first.clients));
        drop(taken);
        assert!(!listens(std::process::id(), first.clients));
    }

    #[test]
    fn ports_are_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ports");
        assert_eq!(Ports::read(&path), None);
        let ports = Ports {
            clients: 1,
            controller: 65535,
        };
        ports.write(&path).expect("a file");
        assert_eq!(Ports::read(&path), Some(ports));
        fs::write(&path, "x").expect("a file");
        assert_eq!(Ports::read(&path), None);
    }
}

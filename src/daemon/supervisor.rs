//! What started this process and watches over it: systemd, or what speaks as it does
//! (`sd_notify(3)`). Without one, nothing is said to nobody.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::UnboundedSender;

use super::Control;
use crate::secret::Environment;

/// The way to tell how this process is.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// The longest that it may be silent.
    watchdog: Option<Duration>,
    /// What was said last, so that the same isn't said again.
    status: Mutex<String>,
}

impl Supervisor {
    /// What `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` name: the path of a socket, or with
    /// `@` an abstract one. What can't be read is as if it weren't there, with a warning.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let Some(name) = environment
            .get("NOTIFY_SOCKET")
            .filter(|name| !name.is_empty())
        else {
            return Self::default();
        };
        let opened = || {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(name)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((socket, address))
        };
        let socket = opened()
            .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET can't be used"))
            .ok();
        let own = std::process::id().to_string();
        let is_watched = environment.get("WATCHDOG_PID").is_none_or(|pid| pid == own);
        let micros = environment.get("WATCHDOG_USEC");
        let watchdog = micros
            .and_then(|micros| micros.parse().ok())
            .filter(|micros| is_watched && *micros > 0)
            .map(Duration::from_micros);
        Self {
            socket,
            watchdog,
            status: Mutex::default(),
        }
    }

    /// Whether anybody is told.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Everything is up.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The project is read anew; [`ready`](Self::ready) ends that.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let micros = now.unwrap_or_default().as_micros();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// In one line what it is at, for people who look.
    pub fn status(&self, text: String) {
        if !self.is_there() {
            return;
        }
        let mut known = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != text {
            self.say(&format!("STATUS={}", text.replace('\n', " ")));
            *known = text;
        }
    }

    /// It isn't stuck.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.say("WATCHDOG=1");
        }
    }

    /// Asks the loop for a sign of life twice in the time that it may be silent. Only the loop
    /// itself gives it.
    pub fn watch(&self, control: UnboundedSender<Control>) {
        let Some(period) = self.watchdog.filter(|_| self.is_there()) else {
            return;
        };
        tokio::spawn(async move {
            let mut half = tokio::time::interval(period / 2);
            half.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                half.tick().await;
                if control.send(Control::Alive).is_err() {
                    return;
                }
            }
        });
    }

    fn say(&self, text: &str) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        // A supervisor that doesn't listen is no reason to stop.
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            tracing::debug!(%error, "the supervisor wasn't told: {text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[tokio::test]
    async fn it_is_told_by_a_path_and_by_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("runner-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, variable) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap()),
            (
                UnixDatagram::bind_addr(&address).unwrap(),
                &*format!("@{name}"),
            ),
        ] {
            let pairs = [("NOTIFY_SOCKET", variable), ("WATCHDOG_USEC", "20000")];
            let supervisor = Supervisor::of(&Environment::from_pairs(&pairs));
            supervisor.ready();
            assert_eq!(heard(&socket), "READY=1");
            supervisor.reloading();
            assert!(heard(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
            for text in ["2 runs", "2 runs", "3\nruns"] {
                supervisor.status(text.to_owned());
            }
            assert_eq!(heard(&socket), "STATUS=2 runs");
            assert_eq!(heard(&socket), "STATUS=3 runs");
            let (control, mut asked) = tokio::sync::mpsc::unbounded_channel();
            supervisor.watch(control);
            assert!(matches!(asked.recv().await, Some(Control::Alive)));
            supervisor.alive();
            assert_eq!(heard(&socket), "WATCHDOG=1");
            supervisor.stopping();
            assert_eq!(heard(&socket), "STOPPING=1");
        }
    }

    #[test]
    fn without_one_nothing_is_said() {
        for pairs in [
            &[][..],
            &[("NOTIFY_SOCKET", "")],
            &[("NOTIFY_SOCKET", "/nowhere/at/all"), ("WATCHDOG_USEC", "x")],
        ] {
            let supervisor = Supervisor::of(&Environment::from_pairs(pairs));
            supervisor.ready();
            supervisor.status("fine".to_owned());
            supervisor.alive();
            assert_eq!(supervisor.watchdog, None);
        }
        // It is the watchdog of another process, such as of a shell around this one.
        let pairs = [
            ("NOTIFY_SOCKET", "/nowhere"),
            ("WATCHDOG_USEC", "5"),
            ("WATCHDOG_PID", "1"),
        ];
        assert_eq!(
            Supervisor::of(&Environment::from_pairs(&pairs)).watchdog,
            None
        );
    }
}

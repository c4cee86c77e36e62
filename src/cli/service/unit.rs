//! The text of a unit file (`systemd.unit(5)`).

use std::path::Path;
use std::time::Duration;

/// Beyond the grace time: the daemon itself ends everything before systemd does.
const BEYOND: Duration = Duration::from_secs(15);

/// What a unit file is made for.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// The project's folder.
    pub root: &'a Path,
    pub executable: &'a Path,
    /// The account of a system service; `None`: a service of the person who asks.
    pub user: Option<&'a str>,
    pub profile: Option<&'a str>,
    /// How long tasks may go on after the daemon was told to end.
    pub grace: Duration,
}

impl Unit<'_> {
    /// Its first line, by which it is known again.
    #[must_use]
    pub fn mark(&self) -> String {
        format!(
            "# Written by `runner service install` for {}",
            self.root.display()
        )
    }

    /// The whole file.
    #[must_use]
    pub fn text(&self) -> String {
        let root = quoted(&self.root.to_string_lossy());
        let grace = self.grace.as_secs();
        let mut start = format!("{} -C {root}", quoted(&self.executable.to_string_lossy()));
        if let Some(profile) = self.profile {
            start.push_str(&format!(" --profile {}", quoted(profile)));
        }
        start.push_str(&format!(" schedule --grace {grace}s"));
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        let name = name.replace('%', "%%");
        let mut text = format!(
            "{}\n\
             # What you change here is overwritten by the next install: use `systemctl edit`.\n\n\
             [Unit]\n\
             Description=runner: the schedules of {name}\n",
            self.mark()
        );
        if self.user.is_some() {
            text.push_str("Wants=network-online.target\nAfter=network-online.target\n");
        }
        text.push_str(&format!(
            "\n[Service]\n\
             Type=notify\n\
             NotifyAccess=main\n\
             ExecStart={start}\n\
             ExecReload=/bin/kill -HUP $MAINPID\n\
             WorkingDirectory={}\n",
            path(self.root)
        ));
        if let Some(user) = self.user {
            text.push_str(&format!("User={user}\n"));
        }
        text.push_str(&format!(
            "# A mistake in the project (exit code 2) doesn't go away by itself.\n\
             Restart=on-failure\n\
             RestartPreventExitStatus=2\n\
             RestartSec=2s\n\
             WatchdogSec=2min\n\
             # The daemon ends its tasks itself; who is left after that is killed.\n\
             KillMode=mixed\n\
             TimeoutStopSec={}s\n\
             UMask=0077\n\
             NoNewPrivileges=yes\n\
             RestrictSUIDSGID=yes\n\
             LockPersonality=yes\n\
             RestrictRealtime=yes\n\
             SystemCallArchitectures=native\n",
            grace + BEYOND.as_secs()
        ));
        if self.user.is_some() {
            // A service of a person can't have these without namespaces of its own.
            text.push_str(&format!(
                "# Files can be written only here, and where you say so with `ReadWritePaths=`.\n\
                 ProtectSystem=strict\n\
                 ReadWritePaths={root}\n\
                 PrivateTmp=yes\n\
                 PrivateDevices=yes\n\
                 ProtectHome=read-only\n\
                 ProtectClock=yes\n\
                 ProtectControlGroups=yes\n\
                 ProtectHostname=yes\n\
                 ProtectKernelLogs=yes\n\
                 ProtectKernelModules=yes\n\
                 ProtectKernelTunables=yes\n\
                 CapabilityBoundingSet=\n\
                 RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n"
            ));
        }
        let target = if self.user.is_some() {
            "multi-user.target"
        } else {
            "default.target"
        };
        text.push_str(&format!("\n[Install]\nWantedBy={target}\n"));
        text
    }
}

/// A word of a command line or of a list: in quotes where it has to be.
fn quoted(word: &str) -> String {
    let escaped = word.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%$".contains(c);
    if escaped.chars().all(plain) {
        return escaped;
    }
    let escaped = escaped.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A path that stands alone: to its end, as it is.
fn path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

/// A name for the unit of a project: letters, digits and `-` of its folder's name.
#[must_use]
pub fn name_of(root: &Path) -> String {
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    let name: String = folder
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() || name == "runner" {
        return "runner".to_owned();
    }
    format!("runner-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_how_the_daemon_is_started_and_kept_within_bounds() {
        let of_system = Unit {
            root: Path::new("/srv/market data"),
            executable: Path::new("/usr/local/bin/runner"),
            user: Some("etl"),
            profile: Some("prod"),
            grace: Duration::from_mins(2),
        };
        let of_person = Unit {
            root: Path::new("/home/ada/100%"),
            executable: Path::new("/home/ada/bin/runner"),
            user: None,
            profile: None,
            grace: Duration::from_secs(30),
        };
        insta::assert_snapshot!(format!("{}\n\n{}", of_system.text(), of_person.text()));
    }

    #[test]
    fn units_are_named_after_the_folder() {
        for (root, name) in [
            ("/srv/etl", "runner-etl"),
            ("/srv/market data", "runner-market-data"),
            ("/srv/runner", "runner"),
            ("/", "runner"),
            ("/srv/ÄÖ", "runner"),
        ] {
            assert_eq!(name_of(Path::new(root)), name);
        }
    }
}

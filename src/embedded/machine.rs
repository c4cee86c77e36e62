//! What a person types on this machine to install something.

/// A family of systems that install in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    Fedora,
    Alpine,
    Arch,
    Suse,
    /// macOS, or Homebrew elsewhere.
    Homebrew,
}

impl Family {
    /// `os_release` is the text of `/etc/os-release`, empty where there is none. `None`: the system
    /// isn't known.
    pub(super) fn of(os_release: &str) -> Option<Self> {
        if os_release.is_empty() {
            // No such file: macOS, or something as far from the others.
            return Some(Self::Homebrew);
        }
        let families = names(os_release);
        let known = [
            (Self::Debian, &["debian", "ubuntu"][..]),
            (Self::Fedora, &["fedora", "rhel", "centos"]),
            (Self::Alpine, &["alpine"]),
            (Self::Arch, &["arch"]),
            (Self::Suse, &["suse", "opensuse", "sles"]),
        ];
        let is = |names: &[&str]| families.iter().any(|name| names.contains(&name.as_str()));
        let found = known.iter().find(|(_, names)| is(names));
        found.map(|(family, _)| *family)
    }

    /// The command that installs packages; `root` leaves out `sudo`.
    pub(super) fn install(self, packages: &str, root: bool) -> String {
        let command = match self {
            Self::Debian => "apt-get install",
            Self::Fedora => "dnf install",
            Self::Alpine => "apk add",
            Self::Arch => "pacman -S",
            Self::Suse => "zypper install",
            Self::Homebrew => return format!("brew install {packages}"),
        };
        let sudo = if root { "" } else { "sudo " };
        format!("{sudo}{command} {packages}")
    }
}

/// The system's name and those of the systems it is like, the nearest first.
fn names(os_release: &str) -> Vec<String> {
    let value = |key: &str| {
        os_release
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_lowercase())
            .unwrap_or_default()
    };
    let (id, like) = (value("ID"), value("ID_LIKE"));
    let names = id.split_whitespace().chain(like.split_whitespace());
    names
        .map(|name| {
            // `opensuse-leap`, `opensuse-tumbleweed`
            name.split_once('-').map_or(name, |(family, _)| family)
        })
        .map(str::to_owned)
        .collect()
}

//! What a person types on this machine to get PostgreSQL.

/// The command that installs the newest PostgreSQL server of the system, or `version`'s.
///
/// `os_release` is the text of `/etc/os-release`, empty where there is none; `root` leaves out
/// `sudo`. `None`: the system isn't known.
pub(super) fn install_command(
    os_release: &str,
    root: bool,
    version: Option<u32>,
) -> Option<String> {
    let package = |name: &str, versioned: &dyn Fn(u32) -> String| match version {
        Some(version) => versioned(version),
        None => name.to_owned(),
    };
    let families = families(os_release);
    let is = |names: &[&str]| {
        families
            .iter()
            .any(|family| names.contains(&family.as_str()))
    };
    let (command, package) = if is(&["debian", "ubuntu"]) {
        (
            "apt-get install",
            package("postgresql", &|v| format!("postgresql-{v}")),
        )
    } else if is(&["fedora", "rhel", "centos"]) {
        (
            "dnf install",
            package("postgresql-server", &|v| format!("postgresql{v}-server")),
        )
    } else if is(&["alpine"]) {
        (
            "apk add",
            package("postgresql", &|v| format!("postgresql{v}")),
        )
    } else if is(&["arch"]) {
        ("pacman -S", "postgresql".to_owned())
    } else if is(&["suse", "opensuse", "sles"]) {
        (
            "zypper install",
            package("postgresql-server", &|v| format!("postgresql{v}-server")),
        )
    } else if os_release.is_empty() {
        // No such file: macOS, or something as far from the others.
        let package = package("postgresql", &|v| format!("postgresql@{v}"));
        return Some(format!("brew install {package}"));
    } else {
        return None;
    };
    let sudo = if root { "" } else { "sudo " };
    Some(format!("{sudo}{command} {package}"))
}

/// The system's name and those of the systems it is like, the nearest first.
fn families(os_release: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_command() {
        let systems = [
            ("ID=debian", "sudo apt-get install postgresql"),
            (
                "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"",
                "sudo apt-get install postgresql",
            ),
            ("ID=fedora", "sudo dnf install postgresql-server"),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"",
                "sudo dnf install postgresql-server",
            ),
            ("ID=alpine", "sudo apk add postgresql"),
            ("ID=arch", "sudo pacman -S postgresql"),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"",
                "sudo zypper install postgresql-server",
            ),
            ("", "brew install postgresql"),
        ];
        for (os_release, expected) in systems {
            let found = install_command(os_release, false, None);
            assert_eq!(found.as_deref(), Some(expected), "{os_release}");
        }
        assert_eq!(install_command("ID=plan9", false, None), None);
    }

    #[test]
    fn root_needs_no_sudo_and_a_version_has_its_package() {
        let found = install_command("ID=ubuntu", true, Some(15));
        assert_eq!(found.as_deref(), Some("apt-get install postgresql-15"));
        let found = install_command("", true, Some(15));
        assert_eq!(found.as_deref(), Some("brew install postgresql@15"));
    }
}

//! What a person types on this machine to get PostgreSQL.

use crate::embedded::machine::Family;

/// The command that installs the newest PostgreSQL server of the system, or `version`'s.
///
/// `os_release` is the text of `/etc/os-release`, empty where there is none; `root` leaves out
/// `sudo`. `None`: the system isn't known.
pub(super) fn install_command(
    os_release: &str,
    root: bool,
    version: Option<u32>,
) -> Option<String> {
    let family = Family::of(os_release)?;
    let package = match (family, version) {
        (Family::Fedora | Family::Suse, None) => "postgresql-server".to_owned(),
        (Family::Arch, _) | (_, None) => "postgresql".to_owned(),
        (Family::Debian, Some(version)) => format!("postgresql-{version}"),
        (Family::Fedora | Family::Suse, Some(version)) => format!("postgresql{version}-server"),
        (Family::Alpine, Some(version)) => format!("postgresql{version}"),
        (Family::Homebrew, Some(version)) => format!("postgresql@{version}"),
    };
    Some(family.install(&package, root))
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

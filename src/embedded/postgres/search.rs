//! Finding the server's programs on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::embedded::EmbeddedError;

use super::machine::install_command;

/// Where distributions put the programs; of several versions the newest comes first.
const USUAL_FOLDERS: &[&str] = &[
    "/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
    "/usr/pgsql-*/bin",                  // Fedora, RHEL: PostgreSQL's own packages
    "/usr/bin",                          // Fedora, Arch
    "/usr/lib/postgresql*/bin",          // openSUSE
    "/usr/libexec/postgresql*",          // Alpine
    "/opt/homebrew/opt/postgresql*/bin", // Homebrew on ARM
    "/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/usr/local/pgsql/bin", // built from source
];

/// The programs of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) postgres: PathBuf,
    pub(super) initdb: PathBuf,
    /// The major version.
    pub(super) version: u32,
}

/// Where to look, and what to say when there is nothing.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// The folders of PATH.
    pub(super) path: Vec<PathBuf>,
    /// Further folders, as patterns.
    pub(super) folders: Vec<String>,
    /// The text of `/etc/os-release`.
    pub(super) os_release: String,
    pub(super) root: bool,
}

impl Search {
    #[expect(
        clippy::disallowed_methods,
        reason = "runs in the supervisor, a process of its own that gets PATH for this very purpose"
    )]
    pub(super) fn of_this_machine() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            path: std::env::split_paths(&path).collect(),
            folders: USUAL_FOLDERS.iter().map(ToString::to_string).collect(),
            os_release: std::fs::read_to_string("/etc/os-release").unwrap_or_default(),
            root: nix::unistd::geteuid().is_root(),
        }
    }

    /// The first programs that are found, or those of the version `wanted` that made `data`.
    pub(super) fn find(&self, wanted: Option<u32>, data: &Path) -> Result<Programs, EmbeddedError> {
        let mut others = Vec::new();
        for folder in self.candidates() {
            let Some(programs) = programs_in(&folder) else {
                continue;
            };
            match wanted {
                Some(wanted) if wanted != programs.version => others.push(programs.version),
                _ => return Ok(programs),
            }
        }
        match wanted {
            Some(wanted) if !others.is_empty() => Err(self.other_version(wanted, others, data)),
            _ => Err(self.nothing_found(wanted)),
        }
    }

    /// Lazy, because asking `pg_config` costs a process.
    fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let from_pg_config = std::iter::once_with(|| self.pg_config()).flatten();
        let usual = self
            .folders
            .iter()
            .flat_map(|pattern| newest_first(pattern));
        self.path.iter().cloned().chain(from_pg_config).chain(usual)
    }

    fn pg_config(&self) -> Option<PathBuf> {
        let program = self
            .path
            .iter()
            .map(|dir| dir.join("pg_config"))
            .find(|path| path.is_file())?;
        let text = output(&program, "--bindir")?;
        Some(PathBuf::from(text.trim_end_matches('\n')))
    }

    fn install(&self, version: Option<u32>) -> String {
        match install_command(&self.os_release, self.root, version) {
            Some(command) => format!("`{command}`"),
            None => "your system's package manager".to_owned(),
        }
    }

    fn nothing_found(&self, wanted: Option<u32>) -> EmbeddedError {
        let text = format!(
            "this machine has no PostgreSQL server (`postgres` and `initdb` are not on the PATH, not where \
             `pg_config --bindir` says, and not in the usual folders): install it with {}, or use a server \
             that runs elsewhere by its URL: `postgres: postgresql://user@host/database`",
            self.install(wanted)
        );
        EmbeddedError::NoPrograms { text }
    }

    fn other_version(&self, wanted: u32, mut others: Vec<u32>, data: &Path) -> EmbeddedError {
        others.sort_unstable();
        others.dedup();
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        let text = format!(
            "`{}` was made by PostgreSQL {wanted}, and this machine has PostgreSQL {}: install {wanted}, too, \
             with {}, or remove the folder to start with an empty database",
            data.display(),
            others.join(", "),
            self.install(Some(wanted)),
        );
        EmbeddedError::OtherVersion { text }
    }
}

/// The folders that match, by the numbers in their names.
fn newest_first(pattern: &str) -> Vec<PathBuf> {
    let found = glob::glob(pattern).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = found.collect();
    found.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
    found
}

fn numbers(path: &Path) -> Vec<u32> {
    let text = path.to_string_lossy();
    let digits = text.split(|c: char| !c.is_ascii_digit());
    digits.filter_map(|number| number.parse().ok()).collect()
}

fn programs_in(folder: &Path) -> Option<Programs> {
    let (postgres, initdb) = (folder.join("postgres"), folder.join("initdb"));
    if !folder.is_absolute() || !postgres.is_file() || !initdb.is_file() {
        return None;
    }
    let version = major_version(&output(&postgres, "--version")?)?;
    Some(Programs {
        postgres,
        initdb,
        version,
    })
}

fn output(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()
}

/// From `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `17beta1` or `9.6.24`.
fn major_version(text: &str) -> Option<u32> {
    let after = text.split_once("(PostgreSQL) ")?.1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder with two programs that say the version.
    fn install(folder: &Path, version: &str) {
        fs::create_dir_all(folder).expect("folder");
        for name in ["postgres", "initdb"] {
            let path = folder.join(name);
            let text = format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n");
            fs::write(&path, text).expect("script");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        }
    }

    fn nowhere() -> Search {
        Search {
            path: Vec::new(),
            folders: Vec::new(),
            os_release: "ID=debian".to_owned(),
            root: false,
        }
    }

    #[test]
    fn the_path_comes_first_then_the_newest_of_the_usual_folders() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for version in ["9", "15", "17"] {
            install(&dir.path().join("lib").join(version).join("bin"), version);
        }
        install(&dir.path().join("path"), "16.2 (Debian)");
        let data = Path::new("/data");
        let mut search = nowhere();
        search.folders = vec![format!("{}/lib/*/bin", dir.path().display())];

        let version = |search: &Search, wanted| search.find(wanted, data).map(|p| p.version).ok();
        assert_eq!(version(&search, None), Some(17));
        assert_eq!(version(&search, Some(15)), Some(15));
        search.path = vec![dir.path().join("empty"), dir.path().join("path")];
        assert_eq!(version(&search, None), Some(16));
        assert_eq!(version(&search, Some(17)), Some(17));
        assert_eq!(version(&search, Some(14)), None);
    }

    #[test]
    fn pg_config_tells_a_folder() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let bin = dir.path().join("hidden");
        install(&bin, "18.0");
        let path = dir.path().join("path");
        fs::create_dir(&path).expect("folder");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --bindir ] && echo '{}'\n",
            bin.display()
        );
        fs::write(path.join("pg_config"), script).expect("script");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path.join("pg_config"), mode).expect("mode");

        let mut search = nowhere();
        search.path = vec![path];
        let found = search.find(None, Path::new("/data")).expect("found");
        assert_eq!(found.postgres, bin.join("postgres"));
    }

    #[test]
    fn what_is_missing_is_said_with_its_cure() {
        let data = Path::new("/shop/.runner/postgres/data");
        let error = nowhere().find(None, data).expect_err("nothing");
        insta::assert_snapshot!(error, @"this machine has no PostgreSQL server (`postgres` and `initdb` are not on the PATH, not where `pg_config --bindir` says, and not in the usual folders): install it with `sudo apt-get install postgresql`, or use a server that runs elsewhere by its URL: `postgres: postgresql://user@host/database`");

        let mut search = nowhere();
        search.os_release = "ID=plan9".to_owned();
        let error = search.find(None, data).expect_err("nothing");
        insta::assert_snapshot!(error, @"this machine has no PostgreSQL server (`postgres` and `initdb` are not on the PATH, not where `pg_config --bindir` says, and not in the usual folders): install it with your system's package manager, or use a server that runs elsewhere by its URL: `postgres: postgresql://user@host/database`");

        let dir = tempfile::tempdir().expect("temporary folder");
        install(&dir.path().join("17"), "17.1");
        install(&dir.path().join("16"), "16.4");
        let mut search = nowhere();
        search.folders = vec![format!("{}/*", dir.path().display())];
        let error = search.find(Some(15), data).expect_err("others");
        insta::assert_snapshot!(error, @"`/shop/.runner/postgres/data` was made by PostgreSQL 15, and this machine has PostgreSQL 16, 17: install 15, too, with `sudo apt-get install postgresql-15`, or remove the folder to start with an empty database");
    }

    #[test]
    fn versions_are_read() {
        let texts = [
            (
                "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("something else", None),
        ];
        for (text, version) in texts {
            assert_eq!(major_version(text), version, "{text}");
        }
    }
}

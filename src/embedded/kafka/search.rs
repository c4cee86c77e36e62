//! Finding Java and Kafka's programs on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::embedded::EmbeddedError;
use crate::embedded::machine::Family;

/// What `runner setup kafka` installs.
pub(super) const VERSION: &str = "4.1.0";

/// Kafka's programs need this Java or a newer one.
const JAVA: u32 = 17;

/// Older versions begin in another way.
const OLDEST: u32 = 4;

/// Where distributions put Java; of several versions the newest comes first.
const JAVA_FOLDERS: &[&str] = &[
    "/usr/lib/jvm/*/bin",             // Debian, Ubuntu, Fedora, Arch, Alpine
    "/usr/lib64/jvm/*/bin",           // openSUSE
    "/opt/homebrew/opt/openjdk*/bin", // Homebrew on ARM
    "/usr/local/opt/openjdk*/bin",    // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/openjdk*/bin",
];

/// The programs of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) java: PathBuf,
    /// The folder of Kafka's jars.
    pub(super) libs: PathBuf,
}

/// Where to look, and what to say when there is nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    /// The folders of PATH.
    pub(super) path: Vec<PathBuf>,
    pub(super) java_home: Option<PathBuf>,
    pub(super) kafka_home: Option<PathBuf>,
    /// Further folders of Java, as patterns.
    pub(super) java_folders: Vec<String>,
    /// Where `runner setup kafka` puts the jars; `None` without a home folder.
    pub(super) installed: Option<PathBuf>,
    /// The text of `/etc/os-release`.
    pub(super) os_release: String,
    pub(super) root: bool,
}

/// Variables that say where things are.
pub(super) const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "JAVA_HOME",
    "KAFKA_HOME",
    "XDG_CACHE_HOME",
];

impl Search {
    #[expect(
        clippy::disallowed_methods,
        reason = "runs in the supervisor, a process of its own that gets these for this very purpose, \
                  and in `runner setup`, which has to find the same places"
    )]
    pub(super) fn of_this_machine() -> Self {
        let folder = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let cache = folder("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(folder("HOME")?.join(".cache")));
        Self {
            path: std::env::split_paths(&path).collect(),
            java_home: folder("JAVA_HOME"),
            kafka_home: folder("KAFKA_HOME"),
            java_folders: JAVA_FOLDERS.iter().map(ToString::to_string).collect(),
            installed: cache.map(|cache| cache.join("runner/kafka").join(VERSION).join("libs")),
            os_release: std::fs::read_to_string("/etc/os-release").unwrap_or_default(),
            root: nix::unistd::geteuid().is_root(),
        }
    }

    /// Java and Kafka, or all that is missing. `dir` is the folder of the project's broker, which may
    /// have jars of its own.
    pub(super) fn find(&self, dir: &Path) -> Result<Programs, EmbeddedError> {
        let (java, libs) = (self.java(), self.libs(dir)?);
        if let (Ok(java), Some(libs)) = (&java, &libs) {
            return Ok(Programs {
                java: java.clone(),
                libs: libs.clone(),
            });
        }
        let mut text = match (&java, &libs) {
            (Ok(_), _) => {
                "this machine has no Kafka (`KAFKA_HOME` isn't set, `kafka-server-start` is not \
                           on the PATH)"
                    .to_owned()
            }
            (Err(None), Some(_)) => "this machine has no Java, and Kafka needs it".to_owned(),
            (Err(None), None) => "this machine has neither Java nor Kafka".to_owned(),
            (Err(Some(old)), _) => {
                format!("Kafka needs Java {JAVA} or newer, and this machine has Java {old}")
            }
        };
        let missing = [
            (java.is_err(), "java"),
            (libs.is_none() && self.program("mvn").is_none(), "maven"),
        ];
        let missing: Vec<&str> = missing
            .iter()
            .filter(|(missing, _)| *missing)
            .map(|(_, what)| *what)
            .collect();
        let mut steps = Vec::new();
        if !missing.is_empty() {
            steps.push(self.install(&missing));
        }
        if libs.is_none() {
            steps.push("`runner setup kafka`, which gets Kafka (43 MB)".to_owned());
        }
        let steps = steps.join(", then ");
        text.push_str(&format!(
            ": install it with {steps}; or use a cluster that runs elsewhere: `kafka: host:9092`"
        ));
        Err(EmbeddedError::NoPrograms { text })
    }

    /// `Err`: there is none, or only one of this older version.
    pub(super) fn java(&self) -> Result<PathBuf, Option<u32>> {
        let home = self.java_home.iter().map(|home| home.join("bin"));
        let usual = self
            .java_folders
            .iter()
            .flat_map(|pattern| newest_first(pattern));
        let candidates = home.chain(self.path.iter().cloned()).chain(usual);
        let mut old = None;
        for java in candidates.map(|folder| folder.join("java")) {
            if !java.is_file() {
                continue;
            }
            match java_version(&java) {
                Some(version) if version >= JAVA => return Ok(java),
                Some(version) => old = old.max(Some(version)),
                None => {}
            }
        }
        Err(old)
    }

    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let mut candidates = self.path.iter().map(|folder| folder.join(name));
        candidates.find(|path| path.is_file())
    }

    fn libs(&self, dir: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
        if let Some(home) = &self.kafka_home {
            // Whoever sets it means it: another Kafka instead would be a surprise.
            let Some(libs) = libs_of(home) else {
                return Err(EmbeddedError::NoPrograms {
                    text: format!(
                        "`KAFKA_HOME` is `{}`, and there is no Kafka {OLDEST} or newer: unset it, or name \
                         the folder that has `libs`",
                        home.display()
                    ),
                });
            };
            return Ok(Some(libs));
        }
        let own = [Some(dir.join("libs")), self.installed.clone()];
        if let Some(libs) = own.into_iter().flatten().find(|libs| is_kafka(libs)) {
            return Ok(Some(libs));
        }
        let scripts = ["kafka-server-start.sh", "kafka-server-start"];
        let script = scripts.iter().find_map(|name| self.program(name));
        let home = script
            .and_then(|script| script.canonicalize().ok())
            .and_then(|script| Some(script.parent()?.parent()?.to_path_buf()));
        Ok(home.and_then(|home| libs_of(&home)))
    }

    /// What installs Java, Maven or both on this machine.
    pub(super) fn install(&self, what: &[&str]) -> String {
        let Some(family) = Family::of(&self.os_release) else {
            return format!("your system's package manager ({})", what.join(" and "));
        };
        let packages: Vec<&str> = what
            .iter()
            .map(|what| match (family, *what) {
                (Family::Debian, "java") => "default-jre-headless",
                (Family::Fedora, "java") => "java-latest-openjdk-headless",
                (Family::Alpine, "java") => "openjdk21-jre-headless",
                (Family::Arch, "java") => "jre-openjdk-headless",
                (Family::Suse, "java") => "java-21-openjdk-headless",
                (Family::Homebrew, "java") => "openjdk",
                (_, what) => what,
            })
            .collect();
        format!("`{}`", family.install(&packages.join(" "), self.root))
    }
}

/// The folder of jars below a home of Kafka, as its makers, Homebrew and Confluent lay it out.
fn libs_of(home: &Path) -> Option<PathBuf> {
    let folders = ["libs", "libexec/libs", "share/java/kafka"];
    folders
        .iter()
        .map(|folder| home.join(folder))
        .find(|libs| is_kafka(libs))
}

/// Whether a folder has the jars of a Kafka that is new enough.
pub(super) fn is_kafka(libs: &Path) -> bool {
    let entries = std::fs::read_dir(libs).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| {
            // kafka_2.13-4.1.0.jar: for Scala 2.13.
            let version = name
                .strip_prefix("kafka_")
                .and_then(|name| name.strip_suffix(".jar")?.split_once('-'))
                .and_then(|(_, version)| version.split('.').next()?.parse().ok());
            version.is_some_and(|version: u32| version >= OLDEST)
        })
}

/// The major version, from the file that lies beside each Java, or from itself.
fn java_version(java: &Path) -> Option<u32> {
    let home = java.canonicalize().ok()?;
    let home = home.parent()?.parent()?;
    if let Ok(text) = std::fs::read_to_string(home.join("release")) {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("JAVA_VERSION="));
        if let Some(version) = line.and_then(major_version) {
            return Some(version);
        }
    }
    let output = Command::new(java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    major_version(text.split_once("version ")?.1)
}

/// `"17.0.15"`, `"1.8.0_402"`, `"21"`
fn major_version(text: &str) -> Option<u32> {
    let text = text.trim().trim_start_matches('"');
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let first = numbers.next()?.parse().ok()?;
    match first {
        1 => numbers.next()?.parse().ok(),
        _ => Some(first),
    }
}

/// The folders that match, by the numbers in their names.
fn newest_first(pattern: &str) -> Vec<PathBuf> {
    let found = glob::glob(pattern).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = found.collect();
    found.sort_by_key(|path| {
        let text = path.to_string_lossy().into_owned();
        let digits = text.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<u32> = digits.filter_map(|number| number.parse().ok()).collect();
        std::cmp::Reverse(numbers)
    });
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn install_kafka(libs: &Path, version: &str) {
        fs::create_dir_all(libs).expect("folder");
        fs::write(libs.join(format!("kafka_2.13-{version}.jar")), "").expect("file");
    }

    fn install_java(bin: &Path, version: &str) {
        fs::create_dir_all(bin).expect("folder");
        let script = format!("#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n");
        fs::write(bin.join("java"), script).expect("script");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bin.join("java"), mode).expect("mode");
    }

    fn nothing() -> Search {
        Search {
            os_release: "ID=debian".to_owned(),
            ..Search::default()
        }
    }

    #[test]
    fn programs_are_found_where_they_are() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let root = dir.path().canonicalize().expect("a path");
        let own = root.join(".runner/kafka");
        let mut search = nothing();
        install_java(&root.join("jvm/java-8/bin"), "1.8.0_402");
        install_java(&root.join("jvm/java-17/bin"), "17.0.15");
        install_java(&root.join("jvm/java-21/bin"), "21");
        search.java_folders = vec![format!("{}/jvm/*/bin", root.display())];
        assert_eq!(search.java(), Ok(root.join("jvm/java-21/bin/java")));
        search.path = vec![root.join("jvm/java-8/bin"), root.join("jvm/java-17/bin")];
        assert_eq!(search.java(), Ok(root.join("jvm/java-17/bin/java")));

        let brew = root.join("cellar/kafka");
        install_kafka(&brew.join("libexec/libs"), "4.0.1");
        fs::create_dir(brew.join("bin")).expect("folder");
        fs::write(brew.join("bin/kafka-server-start"), "").expect("file");
        fs::create_dir(root.join("bin")).expect("folder");
        let link = root.join("bin/kafka-server-start");
        std::os::unix::fs::symlink(brew.join("bin/kafka-server-start"), link).expect("link");
        search.path.push(root.join("bin"));
        let libs = |search: &Search| search.find(&own).map(|found| found.libs);
        assert_eq!(libs(&search).ok(), Some(brew.join("libexec/libs")));

        let installed = root.join("cache/libs");
        install_kafka(&installed, VERSION);
        search.installed = Some(installed.clone());
        assert_eq!(libs(&search).ok(), Some(installed));
        install_kafka(&own.join("libs"), "4.2.0");
        assert_eq!(libs(&search).ok(), Some(own.join("libs")));
        let home = root.join("kafka_2.13-4.1.1");
        install_kafka(&home.join("libs"), "4.1.1");
        search.kafka_home = Some(home.clone());
        assert_eq!(libs(&search).ok(), Some(home.join("libs")));
    }

    #[test]
    fn what_is_missing_is_said_with_its_cure() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut said = String::new();
        let mut say = |search: &Search| {
            let error = search.find(Path::new("/shop/.runner/kafka"));
            said.push_str(&format!("{}\n", error.expect_err("nothing")));
        };
        let mut search = nothing();
        say(&search);
        let java = dir.path().join("old");
        install_java(&java, "11.0.2");
        search.path = vec![java];
        say(&search);
        let java = dir.path().join("new");
        install_java(&java, "17.0.2");
        search.path = vec![java];
        say(&search);
        let maven = dir.path().join("maven");
        fs::create_dir(&maven).expect("folder");
        fs::write(maven.join("mvn"), "").expect("file");
        search.path.push(maven);
        say(&search);
        search.path.clear();
        let libs = dir.path().join("libs");
        install_kafka(&libs, "4.1.0");
        search.installed = Some(libs);
        search.os_release = "ID=plan9".to_owned();
        say(&search);
        search.kafka_home = Some(PathBuf::from("/opt/kafka_2.13-3.9.0"));
        say(&search);
        insta::assert_snapshot!(said);
    }

    #[test]
    fn versions_are_read() {
        for (text, version) in [
            ("\"17.0.15\" 2025-04-15", Some(17)),
            ("\"1.8.0_402\"", Some(8)),
            ("\"21\"", Some(21)),
            ("\"25-ea\"", Some(25)),
            ("none", None),
        ] {
            assert_eq!(major_version(text), version, "{text}");
        }
    }
}

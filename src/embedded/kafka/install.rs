//! `runner setup kafka`: Kafka's jars from Maven's repository.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::search::{Search, VERSION, is_kafka};
use crate::embedded::EmbeddedError;

/// What came of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The folder of the jars, which all projects of this user share.
    pub libs: PathBuf,
    /// The version of Kafka.
    pub version: &'static str,
    /// They were there already.
    pub before: bool,
}

/// The plugin's version is named so that the same is done everywhere.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Gets Kafka unless it is there: by Maven, which knows the mirrors and proxies of this machine. Says
/// on `told` what it is about to do. Blocks for some seconds.
///
/// # Errors
/// Java or Maven is missing, or can't get the files; the text says what to do.
pub fn install(told: &mut dyn std::io::Write) -> Result<Installed, EmbeddedError> {
    install_with(&Search::of_this_machine(), told)
}

fn install_with(
    search: &Search,
    told: &mut dyn std::io::Write,
) -> Result<Installed, EmbeddedError> {
    let refused = |text: String| EmbeddedError::Refused { text };
    let Some(libs) = search.installed.clone() else {
        return Err(refused(
            "there is no home folder to put Kafka into: set `HOME` or `XDG_CACHE_HOME`".to_owned(),
        ));
    };
    let missing = missing(search);
    if !missing.is_empty() {
        let what = match missing.as_slice() {
            ["java"] => "Kafka needs Java 17 or newer, and it isn't installed",
            ["maven"] => "Maven, which gets Kafka, isn't installed",
            _ => "Kafka needs Java 17 or newer, and Maven gets it: neither is installed",
        };
        let command = search.install(&missing);
        return Err(EmbeddedError::NoPrograms {
            text: format!("{what}: install it with {command}"),
        });
    }
    let version = VERSION;
    if is_kafka(&libs) {
        return Ok(Installed {
            libs,
            version,
            before: true,
        });
    }
    let Some(maven) = search.program("mvn") else {
        return Err(refused("there is no `mvn` on the PATH".to_owned()));
    };
    // Whether it is said makes no difference to what is done.
    let _ = writeln!(told, "getting Kafka {version} by Maven (43 MB) …");
    fetch(&maven, &libs)?;
    Ok(Installed {
        libs,
        version,
        before: false,
    })
}

fn missing(search: &Search) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if search.java().is_err() {
        missing.push("java");
    }
    if search.program("mvn").is_none() {
        missing.push("maven");
    }
    missing
}

/// Into a folder of another name first, so that nothing half made is ever found.
fn fetch(maven: &Path, libs: &Path) -> Result<(), EmbeddedError> {
    let folder = libs.parent().unwrap_or(libs);
    fs::create_dir_all(folder).map_err(EmbeddedError::file("create the folder", folder))?;
    let work = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(folder)
        .map_err(EmbeddedError::file("create a folder in", folder))?;
    let pom = work.path().join("pom.xml");
    let made = fs::File::create(&pom).and_then(|mut file| file.write_all(POM.as_bytes()));
    made.map_err(EmbeddedError::file("write", &pom))?;
    let new = work.path().join("libs");
    let output = Command::new(maven)
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(&pom)
        .arg(COPY)
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", new.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(EmbeddedError::file("start", maven))?;
    if !output.status.success() || !is_kafka(&new) {
        let said = [output.stdout, output.stderr].concat();
        return Err(EmbeddedError::Refused {
            text: format!(
                "Maven couldn't get Kafka; behind a proxy it needs `~/.m2/settings.xml`:\n{}",
                first_lines(&String::from_utf8_lossy(&said))
            ),
        });
    }
    // Somebody may have been faster, and then the same is there already.
    match fs::rename(&new, libs) {
        Err(_) if is_kafka(libs) => Ok(()),
        moved => moved.map_err(EmbeddedError::file("rename", &new)),
    }
}

fn first_lines(said: &str) -> String {
    const LINES: usize = 6;
    let lines = said.lines().map(str::trim_end);
    let lines: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .take(LINES)
        .map(|line| format!("  {line}"))
        .collect();
    lines.join("\n")
}

/// The last dependency lets Kafka's log be seen: it writes to an interface, and its own archive has
/// this behind it.
const POM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>runner</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.1.0</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"#;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(path: &Path, script: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("script");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    #[test]
    fn the_version_that_is_looked_for_is_the_one_that_is_got() {
        assert!(POM.contains(&format!("<version>{VERSION}</version>")));
    }

    #[test]
    fn a_failed_installation_leaves_nothing_and_a_second_one_does_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let bin = dir.path().join("bin");
        let libs = dir.path().join("cache/libs");
        let mut search = Search {
            path: vec![bin.clone()],
            installed: Some(libs.clone()),
            os_release: "ID=fedora".to_owned(),
            root: true,
            ..Search::default()
        };
        let mut said = String::new();
        let mut say = |search: &Search| {
            let mut told = Vec::new();
            let done = install_with(search, &mut told);
            said.push_str(&String::from_utf8_lossy(&told));
            let outcome = match done {
                Ok(installed) => format!("before: {}", installed.before),
                Err(error) => error.to_string(),
            };
            said.push_str(&format!("{outcome}\n\n"));
        };
        say(&search);
        program(&bin.join("java"), "echo 'version \"17\"' >&2");
        say(&search);
        program(&bin.join("mvn"), "echo '[ERROR] no route to host'; exit 1");
        say(&search);
        let left = fs::read_dir(dir.path().join("cache")).expect("a folder");
        assert_eq!(left.count(), 0);
        let maven = "for word; do case $word in -DoutputDirectory=*) out=${word#*=};; esac; done\n\
                     /bin/mkdir \"$out\" && : > \"$out/kafka_2.13-4.1.0.jar\"";
        program(&bin.join("mvn"), maven);
        say(&search);
        say(&search);
        assert!(libs.join("kafka_2.13-4.1.0.jar").is_file());
        search.installed = None;
        say(&search);
        insta::assert_snapshot!(said);
    }
}

//! The data of a cluster, its settings, and the command that serves it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use crate::embedded::kind::{Kind, Prepared, Server, Setup};
use crate::embedded::launch::{Identity, Launcher};
use crate::embedded::{EmbeddedError, Lifetime};

use super::connect::{Facts, PORT, SUPERUSER};
use super::search::{Programs, Search};

pub(in crate::embedded) const KIND: Kind = Kind {
    name: "postgres",
    // Not PGDATA and its like, which mean another server; not LC_ALL, which would decide how
    // text is sorted in this project for ever.
    environment: &["PATH", "HOME", "TMPDIR"],
    prepare: |setup| prepare(setup).boxed(),
};

/// The first version with a collation that sorts by code point, knows the letters of all
/// languages, and does not depend on the operating system.
const BUILTIN_LOCALE: u32 = 17;

/// Whom the server may run as when it may not run as root: its own user, or the one without
/// rights that every machine has.
const USERS: &[&str] = &["postgres", "nobody"];

/// Ends the server at once, as a loss of power would, but tidily: its workers end, its shared
/// memory is freed. Chosen for the death of the supervisor because it is bounded (stragglers are
/// killed after 5 s), while the gentler SIGINT would wait for a checkpoint that nobody needs:
/// what was committed is in the log, and the next start reads it.
const AT_ONCE: Signal = Signal::SIGQUIT;

#[derive(Debug)]
struct Cluster {
    programs: Programs,
    launcher: Launcher,
    data: PathBuf,
    sockets: PathBuf,
}

impl Server for Cluster {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn tidy(&self) -> Result<(), EmbeddedError> {
        remake_folder(&self.sockets)?;
        self.launcher.identity.own(&self.sockets)?;
        // PostgreSQL refuses to start while the process of this file is alive, and after a crash
        // of the machine its number may be anybody's.
        let path = self.data.join("postmaster.pid");
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(());
        };
        let pid = text.lines().next().unwrap_or_default().trim();
        if fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == self.data) {
            let text = format!(
                "process {pid} serves `{}` already, and was not started by runner: stop it first",
                self.data.display()
            );
            return Err(EmbeddedError::Refused { text });
        }
        fs::remove_file(&path).map_err(EmbeddedError::file("remove", &path))
    }

    fn command(&self) -> Command {
        let mut command = self.launcher.command(&self.programs.postgres);
        command.arg("-D").arg(&self.data);
        // On the command line, since nothing in the data may change where the server listens.
        let settings = [
            ("listen_addresses", String::new()),
            ("unix_socket_directories", quoted(&self.sockets)),
            ("unix_socket_permissions", "0700".to_owned()),
            ("port", PORT.to_string()),
        ];
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
    }

    fn is_ready(&self, pid: u32) -> bool {
        fs::read_to_string(self.data.join("postmaster.pid"))
            .is_ok_and(|text| says_ready(&text, pid))
    }

    fn facts(&self) -> serde_json::Value {
        let facts = Facts {
            socket_dir: self.sockets.clone(),
            port: PORT,
            user: SUPERUSER.to_owned(),
        };
        serde_json::to_value(facts).unwrap_or_default()
    }

    fn stop_steps(&self, lifetime: Lifetime) -> &'static [(Signal, Duration)] {
        // The first step ends all sessions and writes a checkpoint.
        const STEPS: &[(Signal, Duration)] = &[
            (Signal::SIGINT, Duration::from_secs(30)),
            (AT_ONCE, Duration::from_secs(10)),
        ];
        match lifetime {
            Lifetime::Project => STEPS,
            Lifetime::Ephemeral => &STEPS[1..],
        }
    }
}

async fn prepare(setup: Setup) -> Prepared {
    let place = &setup.place;
    let data = place.dir().join("data");
    let version = version_of(&data)?;
    let programs = Search::of_this_machine().find(version, &data)?;
    let identity = Identity::unprivileged(&data, &programs.postgres, USERS);
    tracing::info!("using {} as {identity:?}", programs.postgres.display());
    let launcher = Launcher {
        identity,
        death_signal: AT_ONCE,
    };
    if let Identity::Other { name, .. } = &launcher.identity {
        place.let_others_pass()?;
        if let Some(folder) = launcher.identity.barred_by(&data) {
            let text = format!(
                "PostgreSQL refuses to run as root, and `{name}` can't enter `{}`: run as an ordinary user, \
                 move the project to a folder that everybody may enter, or use a server that runs elsewhere \
                 by its URL: `postgres: postgresql://user@host/database`",
                folder.display()
            );
            return Err(EmbeddedError::Refused { text });
        }
    }
    if version.is_none() {
        create(&setup, &launcher, &programs, &data).await?;
    }
    launcher.identity.own(&data)?;
    let path = data.join("runner.conf");
    fs::write(&path, settings(setup.lifetime)).map_err(EmbeddedError::file("write", &path))?;
    Ok(Box::new(Cluster {
        programs,
        launcher,
        data,
        sockets: place.server_sockets(),
    }))
}

/// The major version that made the data, if there are any.
fn version_of(data: &Path) -> Result<Option<u32>, EmbeddedError> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let major: String = text.chars().take_while(char::is_ascii_digit).collect();
            major.parse().map(Some).map_err(|_| EmbeddedError::Refused {
                text: format!(
                    "`{}` has no version of PostgreSQL in it: restore the folder, or remove it to start with an \
                     empty database",
                    path.display()
                ),
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let empty = fs::read_dir(data).map_or(true, |mut entries| entries.next().is_none());
            if empty {
                return Ok(None);
            }
            Err(EmbeddedError::Refused {
                text: format!(
                    "`{}` is no data of PostgreSQL: restore it, or remove it to start with an empty database",
                    data.display()
                ),
            })
        }
        Err(error) => Err(EmbeddedError::file("read", &path)(error)),
    }
}

/// Makes a new cluster under another name first, so that nothing half made is ever found.
async fn create(
    setup: &Setup,
    launcher: &Launcher,
    programs: &Programs,
    data: &Path,
) -> Result<(), EmbeddedError> {
    let dir = setup.place.dir();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("new-") {
            // Of an earlier attempt that was killed. If it can't be removed it only takes room.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    let new = dir.join(format!("new-{}", std::process::id()));
    remake_folder(&new)?;
    launcher.identity.own(&new)?;

    let mut tried = None;
    for locale in locales(programs.version) {
        let output = initdb(setup, launcher, programs, &new, locale).await?;
        if output.status.success() {
            tried = None;
            break;
        }
        tried = Some(output);
    }
    if let Some(output) = tried {
        fs::remove_dir_all(&new).ok();
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(EmbeddedError::Refused {
            text: format!(
                "`{} --pgdata={}` failed:\n{}",
                programs.initdb.display(),
                new.display(),
                said.trim_end()
            ),
        });
    }
    let path = new.join("postgresql.conf");
    let mut conf = fs::read_to_string(&path).map_err(EmbeddedError::file("read", &path))?;
    conf.push_str("\n# written anew at each start; ALTER SYSTEM wins over it\n");
    conf.push_str("include_if_exists = 'runner.conf'\n");
    fs::write(&path, conf).map_err(EmbeddedError::file("write", &path))?;

    fs::rename(&new, data).map_err(EmbeddedError::file("rename", &new))?;
    if setup.lifetime == Lifetime::Project {
        for path in [&data.join("postgresql.conf"), data, dir] {
            let synced = fs::File::open(path).and_then(|file| file.sync_all());
            synced.map_err(EmbeddedError::file("sync", path))?;
        }
    }
    Ok(())
}

/// How text is sorted and which letters it knows, the best first. All sort by code point, as
/// Rust, Python and most tools do, and use an index for prefixes.
fn locales(version: u32) -> &'static [&'static [&'static str]] {
    if version >= BUILTIN_LOCALE {
        return &[&[
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]];
    }
    // The second is for systems without `C.UTF-8`: it knows upper and lower case in ASCII only.
    &[&["--locale=C", "--lc-ctype=C.UTF-8"], &["--locale=C"]]
}

async fn initdb(
    setup: &Setup,
    launcher: &Launcher,
    programs: &Programs,
    new: &Path,
    locale: &[&str],
) -> Result<Output, EmbeddedError> {
    let mut command = launcher.command(&programs.initdb);
    command
        .arg("--pgdata")
        .arg(new)
        .arg(format!("--username={SUPERUSER}"))
        // Only the owner can reach the socket, and `peer` would compare names that a
        // namespace changes.
        .args(["--auth-local=trust", "--auth-host=reject"])
        .arg("--encoding=UTF8")
        .args(locale)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    match setup.lifetime {
        // The only copy of somebody's data: a bad disk shall not go unnoticed.
        Lifetime::Project => command.arg("--data-checksums"),
        Lifetime::Ephemeral => command.arg("--no-sync"),
    };
    let child = tokio::process::Command::from(command)
        .spawn()
        .map_err(EmbeddedError::file("start", &programs.initdb))?;
    child
        .wait_with_output()
        .await
        .map_err(EmbeddedError::file("run", &programs.initdb))
}

fn remake_folder(path: &Path) -> Result<(), EmbeddedError> {
    use std::os::unix::fs::DirBuilderExt;

    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(EmbeddedError::file("remove", path)(error));
        }
        _ => {}
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(EmbeddedError::file("create the folder", path))
}

/// The text of `runner.conf`.
fn settings(lifetime: Lifetime) -> String {
    // `wal_level = minimal`: there is no replica, and a table that is filled in the transaction
    // that made it is then written once, not twice. `jit = off`: compiling costs more than it
    // gives for the statements of a job, and not every installation has it.
    let mut text = "\
shared_buffers = 128MB
max_connections = 200
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
"
    .to_owned();
    text.push_str(match lifetime {
        Lifetime::Project => "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n",
        Lifetime::Ephemeral => "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n",
    });
    text
}

/// One path of a list of paths.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.to_string_lossy().replace('"', "\"\""))
}

/// The pid file has the process in its first line and its state in the eighth.
fn says_ready(text: &str, pid: u32) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_that_of_the_process() {
        let text = "71\n/data\n1700000000\n5432\n/run\n\n 1 2\nready   \n";
        assert!(says_ready(text, 71));
        assert!(!says_ready(text, 7), "a file of an earlier process");
        assert!(!says_ready(&text.replace("ready", "starting"), 71));
        assert!(!says_ready("71\n", 71), "half written");
        assert!(!says_ready("", 71));
    }

    #[test]
    fn data_that_are_none_are_not_overwritten() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let data = dir.path().join("data");
        assert!(matches!(version_of(&data), Ok(None)), "no folder");
        fs::create_dir(&data).expect("folder");
        assert!(matches!(version_of(&data), Ok(None)), "an empty folder");
        fs::write(data.join("letters.txt"), "dear Ada").expect("file");
        assert!(version_of(&data).is_err());
        for (text, version) in [("15\n", Some(15)), ("9.6\n", Some(9)), ("\n", None)] {
            fs::write(data.join("PG_VERSION"), text).expect("file");
            assert_eq!(version_of(&data).ok().flatten(), version, "{text}");
        }
    }

    #[test]
    fn a_path_in_a_list_is_quoted() {
        assert_eq!(quoted(Path::new("/a, b/\"c\"")), "\"/a, b/\"\"c\"\"\"");
    }
}

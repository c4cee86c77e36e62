//! The broker's data, its settings, and the command that runs it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use crate::embedded::kind::{Kind, Prepared, Server, Setup};
use crate::embedded::launch::{Identity, Launcher};
use crate::embedded::{EmbeddedError, Lifetime};

use super::connect::Facts;
use super::ports::{Ports, listens};
use super::search::{ENVIRONMENT, Programs, Search};
use super::settings::{LOG, server_properties};

pub(in crate::embedded) const KIND: Kind = Kind {
    name: "kafka",
    environment: ENVIRONMENT,
    prepare: |setup| prepare(setup).boxed(),
};

/// The life cycle asks every few milliseconds, and the answer has to look through the system's sockets.
const LOOK: Duration = Duration::from_millis(20);

/// Small, since it is one of several programs on somebody's machine; the code is compiled once and not
/// well, since it starts more often than it works long.
const JVM: &[&str] = &[
    "-Xms128m",
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    // An error that leaves a broker half alive shall end it: it is started again.
    "-XX:+ExitOnOutOfMemoryError",
    // So that its sockets stand where they are looked for.
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
];

#[derive(Debug)]
struct Broker {
    programs: Programs,
    launcher: Launcher,
    lifetime: Lifetime,
    /// The folder of all its files.
    dir: PathBuf,
    /// Chosen before each start.
    ports: Mutex<Ports>,
    looked: Mutex<Option<Instant>>,
}

impl Broker {
    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }
}

impl Server for Broker {
    fn name(&self) -> &'static str {
        "Kafka"
    }

    fn tidy(&self) -> Result<(), EmbeddedError> {
        let path = self.dir.join("ports");
        let mut ports = self.ports();
        let last = Ports::read(&path);
        *ports = Ports::choose(last).map_err(EmbeddedError::file("find a port for", &self.dir))?;
        ports
            .write(&path)
            .map_err(EmbeddedError::file("write", &path))?;
        let path = self.properties();
        let text = server_properties(&self.data(), *ports, self.lifetime);
        fs::write(&path, text).map_err(EmbeddedError::file("write", &path))
    }

    fn command(&self) -> Command {
        let mut command = java(&self.launcher, &self.programs, &self.dir);
        command.arg("kafka.Kafka").arg(self.properties());
        command
    }

    fn is_ready(&self, pid: u32) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| at.elapsed() < LOOK) {
            return false;
        }
        *looked = Some(Instant::now());
        // The last thing that it does when it starts.
        listens(pid, self.ports().clients)
    }

    fn facts(&self) -> serde_json::Value {
        let facts = Facts {
            brokers: format!("127.0.0.1:{}", self.ports().clients),
        };
        serde_json::to_value(facts).unwrap_or_default()
    }

    fn stop_steps(&self, lifetime: Lifetime) -> &'static [(Signal, Duration)] {
        // It closes its files, so that the next start has nothing to look through.
        const STEPS: &[(Signal, Duration)] = &[(Signal::SIGTERM, Duration::from_secs(20))];
        match lifetime {
            Lifetime::Project => STEPS,
            Lifetime::Ephemeral => &[],
        }
    }
}

/// Kafka's program starter, up to the name of the class.
fn java(launcher: &Launcher, programs: &Programs, dir: &Path) -> Command {
    let mut command = launcher.command(&programs.java);
    let mut log = std::ffi::OsString::from("-Dlog4j2.configurationFile=");
    log.push(dir.join("log4j2.properties"));
    command
        .args(JVM)
        .arg(log)
        .arg("-cp")
        .arg(programs.libs.join("*"));
    command
}

async fn prepare(setup: Setup) -> Prepared {
    let dir = setup.place.dir().to_path_buf();
    let programs = Search::of_this_machine().find(&dir)?;
    tracing::info!(
        "using {} by {}",
        programs.libs.display(),
        programs.java.display()
    );
    for path in [&programs.libs, &dir] {
        if path.to_string_lossy().contains(':') {
            return Err(EmbeddedError::Refused {
                text: format!(
                    "Java can't read files below `{}`, because of the `:` in its name",
                    path.display()
                ),
            });
        }
    }
    let launcher = Launcher {
        identity: Identity::Same,
        // At once, since nobody would be there to make sure that it ends. What it has
        // acknowledged is in the system's memory or on the disk.
        death_signal: Signal::SIGKILL,
    };
    let path = dir.join("log4j2.properties");
    fs::write(&path, LOG).map_err(EmbeddedError::file("write", &path))?;
    let broker = Broker {
        programs,
        launcher,
        lifetime: setup.lifetime,
        dir,
        ports: Mutex::new(Ports {
            clients: 0,
            controller: 0,
        }),
        looked: Mutex::default(),
    };
    let data = broker.data();
    if !data.join("meta.properties").is_file() {
        let empty = fs::read_dir(&data).map_or(true, |mut entries| entries.next().is_none());
        if !empty {
            return Err(EmbeddedError::Refused {
                text: format!(
                    "`{}` is no data of Kafka: restore it, or remove it to start with an empty broker",
                    data.display()
                ),
            });
        }
        create(&broker, &data).await?;
    }
    Ok(Box::new(broker))
}

/// Makes new data under another name first, so that nothing half made is ever found.
async fn create(broker: &Broker, data: &Path) -> Result<(), EmbeddedError> {
    let dir = &broker.dir;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("new-") {
            // Of an earlier attempt that was killed. If it can't be removed it only takes room.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    let new = dir.join(format!("new-{}", std::process::id()));
    fs::create_dir(&new).map_err(EmbeddedError::file("create the folder", &new))?;
    let properties = new.join("format.properties");
    let ports = Ports {
        clients: 9092,
        controller: 9093,
    };
    let made = new.join("data");
    let text = server_properties(&made, ports, broker.lifetime);
    fs::write(&properties, text).map_err(EmbeddedError::file("write", &properties))?;
    let cluster = cluster_id().map_err(EmbeddedError::file("read", Path::new("/dev/urandom")))?;
    let mut command = java(&broker.launcher, &broker.programs, dir);
    command
        .args(["kafka.tools.StorageTool", "format", "-t", &cluster, "-c"])
        .arg(&properties)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let program = &broker.programs.java;
    let child = tokio::process::Command::from(command)
        .spawn()
        .map_err(EmbeddedError::file("start", program))?;
    let output = child
        .wait_with_output()
        .await
        .map_err(EmbeddedError::file("run", program))?;
    if !output.status.success() {
        fs::remove_dir_all(&new).ok();
        return Err(EmbeddedError::Refused {
            text: format!("Kafka can't make its data:\n{}", said(&output)),
        });
    }
    // An empty folder would be in the way.
    fs::remove_dir(data).ok();
    fs::rename(&made, data).map_err(EmbeddedError::file("rename", &made))?;
    fs::remove_dir_all(&new).map_err(EmbeddedError::file("remove", &new))
}

fn said(output: &Output) -> String {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&said).trim_end().to_owned()
}

/// A new cluster's name: 128 random bits in Kafka's notation, which is base64 for URLs.
fn cluster_id() -> io::Result<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 22];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    // Six bits a character; the last one has two bits and four zeros. Not a `-` first: it is an
    // argument of a command.
    bytes[0] &= 31;
    bytes[21] &= 0b11_0000;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
        .collect())
}

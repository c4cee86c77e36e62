//! What is done with the unit file.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Uid, User};

use super::unit::{Unit, name_of};
use crate::cli::arguments::{Service, ServiceAction, ServiceOptions};
use crate::cli::context::Context;
use crate::cli::{Mistake, exit, look};

/// Where the administrator's units are (`systemd.unit(5)`).
const SYSTEM: &str = "/etc/systemd/system";

/// A unit of this project.
struct Place {
    /// With its ending.
    name: String,
    file: PathBuf,
    user: bool,
}

pub fn run(context: &Context, command: &Service) -> anyhow::Result<u8> {
    let root = context.require_project()?.canonicalize()?;
    let options = match &command.action {
        ServiceAction::Install { options, .. }
        | ServiceAction::Uninstall { options }
        | ServiceAction::Show { options, .. } => options,
    };
    let place = place(context, &root, options)?;
    match &command.action {
        ServiceAction::Uninstall { .. } => uninstall(&root, &place),
        ServiceAction::Show { shape, .. } => {
            let account = account(&root, options, shape.run_as.as_deref())?;
            let unit = unit(context, &root, account.as_deref(), shape.grace);
            write!(anstream::stdout(), "{}", unit.text())?;
            Ok(exit::OK)
        }
        ServiceAction::Install { shape, .. } => {
            let account = account(&root, options, shape.run_as.as_deref())?;
            let unit = unit(context, &root, account.as_deref(), shape.grace);
            install(&unit, &place)
        }
    }
}

fn unit<'a>(
    context: &'a Context,
    root: &'a Path,
    user: Option<&'a str>,
    grace: std::time::Duration,
) -> Unit<'a> {
    Unit {
        root,
        executable: &context.places.executable,
        user,
        profile: context.profile.as_deref(),
        grace,
    }
}

/// The account that the service runs as: the one that the project belongs to.
fn account(
    root: &Path,
    options: &ServiceOptions,
    chosen: Option<&str>,
) -> anyhow::Result<Option<String>> {
    if options.user {
        if chosen.is_some() {
            let mistake = "a service of yours runs as you: `--as` is for a service of the system";
            return Err(Mistake::new(mistake).into());
        }
        return Ok(None);
    }
    let known = match chosen {
        Some(name) => User::from_name(name)?,
        None => User::from_uid(Uid::from_raw(root.metadata()?.uid()))?,
    };
    match (known, chosen) {
        (Some(user), _) => Ok(Some(user.name)),
        (None, Some(name)) => Err(Mistake::new(format!("user `{name}` doesn't exist")).into()),
        (None, None) => Err(
            Mistake::new(format!("the owner of {} has no name", root.display()))
                .help("say who it runs as: `--as USER`")
                .into(),
        ),
    }
}

fn place(context: &Context, root: &Path, options: &ServiceOptions) -> anyhow::Result<Place> {
    let name = options.name.clone().unwrap_or_else(|| name_of(root));
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(Mistake::new(format!("`{name}` is no name of a service"))
            .help("use letters, digits, `-`, `_` and `.`")
            .into());
    }
    let folder = if options.user {
        let variable = |name| {
            context
                .environment
                .get(name)
                .filter(|value| !value.is_empty())
        };
        let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || Some(Path::new(variable("HOME")?).join(".config"));
        let config = config.or_else(home);
        let config = config.ok_or_else(|| Mistake::new("`HOME` isn't set: where is yours?"))?;
        config.join("systemd/user")
    } else {
        PathBuf::from(SYSTEM)
    };
    let name = format!("{name}.service");
    Ok(Place {
        file: folder.join(&name),
        name,
        user: options.user,
    })
}

/// What is in the file; a mistake when it isn't of this project.
fn own(mark: &str, place: &Place) -> anyhow::Result<Option<String>> {
    let text = match std::fs::read_to_string(&place.file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(denied(&place.file, &error, place.user)),
    };
    if text.lines().next() == Some(mark) {
        return Ok(Some(text));
    }
    Err(Mistake::new(format!(
        "{} isn't of this project, and is left as it is",
        place.file.display()
    ))
    .help("choose another name: `--name NAME`")
    .into())
}

fn denied(file: &Path, error: &std::io::Error, user: bool) -> anyhow::Error {
    if error.kind() == ErrorKind::PermissionDenied && !user {
        return Mistake::new(format!("{}: permission denied", file.display()))
            .help(
                "a service of the system is made by root: `sudo runner service install`, or make \
                 one of yours: `runner service install --user`",
            )
            .into();
    }
    anyhow::anyhow!("{}: {error}", file.display())
}

fn install(unit: &Unit<'_>, place: &Place) -> anyhow::Result<u8> {
    let text = unit.text();
    let before = own(&unit.mark(), place)?;
    let mut out = anstream::stdout().lock();
    let (faint, bold) = (look::FAINT, look::BOLD);
    if before.as_deref() == Some(text.as_str()) {
        writeln!(out, "{} is as it should be", place.file.display())?;
    } else {
        write(&place.file, &text).map_err(|error| denied(&place.file, &error, place.user))?;
        let word = if before.is_some() { "changed" } else { "wrote" };
        writeln!(out, "{word} {}", place.file.display())?;
    }
    let systemctl = systemctl(place);
    let name = &place.name;
    writeln!(out, "\nto start it, now and with the machine:")?;
    writeln!(out, "  {bold}{systemctl} daemon-reload{bold:#}")?;
    writeln!(out, "  {bold}{systemctl} enable --now {name}{bold:#}")?;
    if before.is_some() {
        writeln!(out, "{faint}where it runs already:{faint:#}")?;
        writeln!(out, "  {bold}{systemctl} restart {name}{bold:#}")?;
    }
    let journal = if place.user {
        "journalctl --user"
    } else {
        "journalctl"
    };
    writeln!(out, "\nto see it:")?;
    writeln!(out, "  {systemctl} status {name}")?;
    writeln!(out, "  {journal} -u {name} -f")?;
    if place.user {
        writeln!(
            out,
            "{faint}it ends when you log out, unless you say `loginctl enable-linger`{faint:#}"
        )?;
    }
    Ok(exit::OK)
}

fn systemctl(place: &Place) -> &'static str {
    if place.user {
        "systemctl --user"
    } else {
        "systemctl"
    }
}

/// The file appears at once.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let new = file.with_extension("service.new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, file)
}

fn uninstall(root: &Path, place: &Place) -> anyhow::Result<u8> {
    let unit = Unit {
        root,
        executable: Path::new(""),
        user: None,
        profile: None,
        grace: std::time::Duration::ZERO,
    };
    let mut out = anstream::stdout().lock();
    if own(&unit.mark(), place)?.is_none() {
        writeln!(out, "there is no {}", place.file.display())?;
        return Ok(exit::OK);
    }
    // While the file is there: systemd wouldn't know what to end.
    systemd(place, &["disable", "--now", &place.name])?;
    std::fs::remove_file(&place.file).map_err(|error| denied(&place.file, &error, place.user))?;
    writeln!(out, "removed {}", place.file.display())?;
    systemd(place, &["daemon-reload"])?;
    Ok(exit::OK)
}

/// Says what it runs, and goes on when that fails: without systemd there is nothing to end.
fn systemd(place: &Place, arguments: &[&str]) -> anyhow::Result<()> {
    let systemctl = systemctl(place);
    let line = format!("{systemctl} {}", arguments.join(" "));
    let faint = look::FAINT;
    writeln!(anstream::stdout(), "{faint}{line}{faint:#}")?;
    let mut words = systemctl.split(' ');
    let program = words.next().unwrap_or("systemctl");
    let done = Command::new(program).args(words).args(arguments).output();
    let reason = match done {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let warn = look::WARN;
    writeln!(
        anstream::stderr(),
        "{warn}warning{warn:#}: `{line}`: {reason}"
    )?;
    Ok(())
}

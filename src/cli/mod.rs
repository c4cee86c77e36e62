//! The command line: one file a subcommand.

mod arguments;
mod attend;
mod backfill;
mod bars;
mod cancel;
mod check;
mod completions;
mod context;
mod data;
mod db;
mod exchange;
mod find;
mod follow;
mod gc;
mod graph;
mod init;
mod list;
mod live;
mod log_lines;
mod logs;
mod look;
mod man;
mod mark;
mod next;
mod notify;
mod output;
mod pause;
mod people;
mod private_server;
mod resume;
mod retry;
mod runs;
mod schedule;
mod schema;
mod service;
mod setup;
mod show;
mod show_dag;
mod show_run;
mod simulate;
mod table;
mod timeline;
mod topic;
mod trigger;
mod types;
mod watch;
mod web;
mod why;
mod why_run;

pub use arguments::{Arguments, Command};
pub use schema::generated;

use std::io::ErrorKind;
use std::process::ExitCode;

use context::Context;

pub use crate::operate::Mistake;
use crate::operate::{Trouble, engage, moment};
use crate::remote::Refusal;

/// Exit codes. Others never see any but these.
pub mod exit {
    /// All went well.
    pub const OK: u8 = 0;
    /// Something that should never happen, or the machine failed.
    pub const INTERNAL: u8 = 1;
    /// The command line or a pipeline has a mistake.
    pub const INVALID: u8 = 2;
    /// The run failed.
    pub const FAILED: u8 = 3;
    /// ^C.
    pub const INTERRUPTED: u8 = 130;
}

/// Carries out a command line.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    if !matches!(arguments.command, Command::Schedule(_) | Command::Web(_)) {
        log_lines::start_quiet();
    }
    let context = match Context::new(&arguments) {
        Ok(context) => context,
        Err(error) => return report(&error),
    };
    let result = match arguments.command {
        Command::Init(command) => init::run(&context, &command),
        Command::Check(command) => check::run(&context, &command),
        Command::Types(command) => types::run(&command),
        Command::Schema(command) => schema::run(&command),
        Command::Trigger(command) => trigger::run(&context, &command),
        Command::Schedule(command) => schedule::run(&context, &command),
        Command::Web(command) => web::run(&context, &command),
        Command::Backfill(command) => backfill::run(&context, &command),
        Command::Pause(command) => pause::run(&context, &command, true),
        Command::Unpause(command) => pause::run(&context, &command, false),
        Command::List(command) => list::run(&context, &command),
        Command::Show(command) => show::run(&context, &command),
        Command::Runs(command) => runs::run(&context, &command),
        Command::Next(command) => next::run(&context, &command),
        Command::Why(command) => why::run(&context, &command),
        Command::Simulate(command) => simulate::run(&context, &command),
        Command::Timeline(command) => timeline::run(&context, &command),
        Command::Logs(command) => logs::run(&context, &command),
        Command::Data(command) => data::run(&context, &command),
        Command::Retry(command) => retry::run(&context, &command),
        Command::Cancel(command) => cancel::run(&context, &command),
        Command::Mark(command) => mark::run(&context, &command),
        Command::Resume(command) => resume::run(&context, &command),
        Command::User(command) => people::user(&context, &command),
        Command::Token(command) => people::token(&context, &command),
        Command::Service(command) => service::run(&context, &command),
        Command::Gc(command) => gc::run(&context, &command),
        Command::Notify(command) => notify::run(&context, &command),
        Command::Db(command) => db::run(&context, &command),
        Command::Topic(command) => topic::run(&context, &command),
        Command::Setup(command) => setup::run(&command),
        Command::Exchange(command) => exchange::run(&command),
        Command::Completions(command) => completions::run(&command),
        Command::Man(command) => man::run(&command),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => report(&error),
    }
}

/// The mistake of the person who typed the command, if it is one.
fn mistake_of(error: &anyhow::Error) -> Option<&Mistake> {
    match error.downcast_ref::<Trouble>() {
        Some(Trouble::Mistake(mistake)) => Some(mistake),
        _ => error.downcast_ref(),
    }
}

fn report(error: &anyhow::Error) -> ExitCode {
    use std::io::Write as _;
    // `runner runs | head -1`: whoever reads has enough.
    let broken_pipe = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(broken_pipe) {
        return ExitCode::from(exit::OK);
    }
    let mut out = anstream::stderr().lock();
    let bold = look::ERROR;
    let refusal = error.downcast_ref::<Refusal>();
    let told = mistake_of(error).map(|mistake| (mistake.to_string(), mistake.advice()));
    let told = told.or_else(|| refusal.map(|refusal| (refusal.to_string(), refusal.advice())));
    let written = if let Some((mistake, advice)) = told {
        let mut text = format!("{bold}error{bold:#}: {mistake}\n");
        if let Some(help) = advice {
            text.push_str(&format!("  help: {help}\n"));
        }
        out.write_all(text.as_bytes())
    } else {
        writeln!(out, "{bold}error{bold:#}: {error:#}")
    };
    // Standard error may be closed: there is nobody left to tell.
    let _ = written;
    let is_mistake = refusal.is_some_and(Refusal::is_mistake) || mistake_of(error).is_some();
    ExitCode::from(if is_mistake {
        exit::INVALID
    } else {
        exit::INTERNAL
    })
}

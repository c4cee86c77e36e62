//! `runner completions`: what makes a shell complete commands.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::arguments::{Arguments, Completions};
use super::exit;

pub fn run(command: &Completions) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(
        command.shell,
        &mut Arguments::command(),
        "runner",
        &mut text,
    );
    std::io::stdout().lock().write_all(&text)?;
    Ok(exit::OK)
}

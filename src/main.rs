//! The `runner` program: arguments, tracing, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use runner::cli::{self, Arguments};
use runner::embedded::{SUPERVISOR_ARGUMENT, supervisor_main};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == SUPERVISOR_ARGUMENT)
    {
        return supervisor_main(arguments);
    }
    cli::run(Arguments::parse())
}

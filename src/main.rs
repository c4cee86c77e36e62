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
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing::Level::WARN.into())
                .with_env_var("RUNNER_LOG")
                .from_env_lossy(),
        )
        .with_writer(std::io::stderr)
        .init();
    cli::run(Arguments::parse())
}

//! `runner setup`: what embedded servers need and no package has.

use std::io::Write as _;

use super::arguments::{Setup, SetupWhat};
use super::{Mistake, exit, output};
use crate::embedded::kafka::install;

pub fn run(command: &Setup) -> anyhow::Result<u8> {
    match command.what {
        SetupWhat::Kafka => kafka(),
    }
}

fn kafka() -> anyhow::Result<u8> {
    let installed =
        install(&mut anstream::stderr()).map_err(|error| Mistake::new(error.to_string()))?;
    let mut out = output::stdout();
    let already = if installed.before { " already" } else { "" };
    writeln!(
        out,
        "Kafka {} is{already} in {}, for all projects of yours",
        installed.version,
        installed.libs.display()
    )?;
    out.flush()?;
    Ok(exit::OK)
}

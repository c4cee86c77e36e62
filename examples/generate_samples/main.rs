//! Makes the synthetic snapshots that `daily_batch` reads.
//!
//! ```sh
//! cargo run --example generate_samples                              # the ones committed under samples/
//! cargo run --example generate_samples -- --scale full --out /tmp/samples --seed 7
//! ```

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use generator::Scale;

mod generator;

/// Writes the four CSV snapshots of `daily_batch`: the same seed and sizes always give the same bytes.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder to write into; it is created when it is missing.
    #[arg(long, default_value = "samples")]
    out: PathBuf,
    /// Other seeds give other data of the same shape.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `small` is what is committed, `full` has the sizes of the real snapshots.
    #[arg(long, value_enum, default_value = "small")]
    scale: ScaleName,
    /// Another number of deposits than the scale's.
    #[arg(long)]
    deposits: Option<u64>,
    /// Another number of withdrawals than the scale's.
    #[arg(long)]
    withdrawals: Option<u64>,
    /// Another number of events than the scale's.
    #[arg(long)]
    events: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScaleName {
    Small,
    Full,
}

/// The sizes of the real snapshots.
const FULL: Scale = Scale {
    deposits: 1_618_271,
    withdrawals: 5_098,
    withdrawers: 324,
    events: 105_744,
    logins: 28_545,
    users: 25_699,
    crowd: 20,
};

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let named = match arguments.scale {
        ScaleName::Small => Scale::SMALL,
        ScaleName::Full => FULL,
    };
    let scale = Scale {
        deposits: arguments.deposits.unwrap_or(named.deposits),
        withdrawals: arguments.withdrawals.unwrap_or(named.withdrawals),
        events: arguments.events.unwrap_or(named.events),
        ..named
    };
    generator::write(&arguments.out, &scale, arguments.seed)
}

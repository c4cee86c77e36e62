//! Telling people what has become of runs.

mod account;
mod teller;

pub use account::trial;
pub use teller::Teller;

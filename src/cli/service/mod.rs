//! `runner service`: the daemon as a service of systemd.

mod command;
mod unit;

pub use command::run;

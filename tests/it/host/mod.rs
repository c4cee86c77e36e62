//! Runs carried out by a host in this process: real tasks, real stores.

mod commands;
mod crash;
mod faults;
mod flow;
mod retention;

//! What is found before anything runs.
#![expect(
    clippy::unwrap_used,
    reason = "a case that can't be set up fails its test"
)]

mod broken;
mod case;
mod described;
mod hostile;
mod many;

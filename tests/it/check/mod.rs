//! What is found before anything runs.

mod broken;
mod case;
mod described;
mod hostile;

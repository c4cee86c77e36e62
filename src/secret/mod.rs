//! Values that must not be seen: redacted in `Debug`, without `Serialize`, masked in every log.

mod command;
mod environment;
mod mask;

pub use command::{secret_of_bytes, secret_of_command};
pub use environment::Environment;
pub use mask::Masker;

/// A value that must not be seen. `Debug` shows `***`; [`reveal`](Self::reveal) is where it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

//! Who may come in: passwords, and the secrets of sessions, tokens and links.

mod desk;
mod key;
mod password;
mod throttle;

pub use desk::{Accounts, FIRST, From, SignInError, open_link};
pub(in crate::web) use key::hex;
pub use key::{Key, same};
pub use password::{LEAST, PasswordHash};
pub use throttle::Throttle;

//! What is past is removed when it has been kept as long as the project says.

mod folders;
mod keeper;
mod limits;
mod sweep;
mod swept;

pub use keeper::Keeper;
pub use sweep::Sweep;
pub use swept::{Amount, Swept};

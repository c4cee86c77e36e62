//! Pictures of the pages, pure: graphs in layers, lanes of time, bars. Colours are classes of the
//! style sheet, so that the pages' policy needs no inline style.

mod ansi;
mod bars;
mod calendar;
mod graph;
mod lane;
mod layers;
mod layout;
mod text;

pub use ansi::{ansi, without_ansi};
pub use bars::{Bar, bars};
pub use calendar::{Day, calendar};
pub use graph::{MOST, Node, graph};
pub use lane::{Stretch, lane, scale, ticks_since};
pub use text::escape;

//! Expressions and templates: minijinja, strict. Only this room names it.

mod compiled;
mod decimal;
mod engine;
mod exact;
mod names;
mod scope;
mod segment;
mod shape;
mod time;
mod value;

pub use compiled::Compiled;
pub use engine::{Template, TemplateError};
pub use scope::Scope;
pub use segment::{Segment, expression_end, segments};
pub use shape::{Shape, Unknown};
pub use value::TemplateValue;

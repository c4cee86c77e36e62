//! Expressions and templates: minijinja, strict. Only this room names it.

mod compiled;
mod decimal;
mod engine;
mod exact;
mod names;
mod scope;
mod shape;
mod value;

pub use compiled::Compiled;
pub use engine::{Segment, Template, TemplateError, expression_end, segments};
pub use scope::Scope;
pub use shape::{Shape, Unknown};
pub use value::TemplateValue;

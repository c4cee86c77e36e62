//! What is known about the values in scope before there are any.

use std::collections::BTreeMap;

use crate::document::nearest;

/// The names at one place of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Anything may be below it: a parameter's value, a task's outputs.
    Any,
    /// Only these names are below it.
    Names(BTreeMap<String, Shape>),
}

/// A variable that doesn't exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The path up to and with the wrong name: `params.coin`.
    pub path: String,
    /// The names that exist at that place.
    pub known: Vec<String>,
    /// The nearest of them, as a path.
    pub nearest: Option<String>,
}

impl Shape {
    /// A place without names.
    #[must_use]
    pub fn empty() -> Self {
        Self::Names(BTreeMap::new())
    }

    /// The shape with one more name.
    #[must_use]
    pub fn with(mut self, name: &str, shape: Self) -> Self {
        if let Self::Names(names) = &mut self {
            names.insert(name.to_owned(), shape);
        }
        self
    }

    /// Looks a dotted path up.
    ///
    /// # Errors
    /// The first name that doesn't exist.
    pub fn check(&self, path: &str) -> Result<(), Unknown> {
        let mut here = self;
        let mut walked = String::new();
        for name in path.split('.') {
            let Self::Names(names) = here else {
                return Ok(());
            };
            let prefix = walked.clone();
            if !walked.is_empty() {
                walked.push('.');
            }
            walked.push_str(name);
            let Some(below) = names.get(name) else {
                // Of very many none would be found in time.
                let few = names.keys().take(1000);
                let near = nearest(name, few.map(String::as_str));
                return Err(Unknown {
                    nearest: near.map(|near| {
                        if prefix.is_empty() {
                            near.to_owned()
                        } else {
                            format!("{prefix}.{near}")
                        }
                    }),
                    known: names.keys().take(24).cloned().collect(),
                    path: walked,
                });
            };
            here = below;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_looked_up_to_where_anything_may_be() {
        let shape = Shape::empty()
            .with("params", Shape::empty().with("coins", Shape::Any))
            .with("item", Shape::Any);
        assert_eq!(shape.check("params.coins.first"), Ok(()));
        assert_eq!(shape.check("item.a.b"), Ok(()));
        let unknown = shape.check("params.coin").unwrap_err();
        assert_eq!(unknown.path, "params.coin");
        assert_eq!(unknown.nearest.as_deref(), Some("params.coins"));
        assert_eq!(shape.check("zzz").unwrap_err().nearest, None);
    }
}

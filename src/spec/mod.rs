//! From YAML text to a checked [`Project`]. Only this room knows that the language is YAML.

mod yaml;

pub use yaml::read_yaml;

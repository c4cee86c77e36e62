//! From YAML text to a checked [`Project`]. Only this room knows that the language is YAML.

mod files;
mod graph;
mod interpolate;
mod params;
mod pipeline;
mod project;
mod schedule;
mod settings;
mod task;
mod unquoted;
mod version;
mod yaml;

pub use params::{Param, ParamType, Params, Rules};
pub use pipeline::{Foreach, Pipeline, TaskSpec};
pub use project::{Loaded, PIPELINES_FOLDER, Project, SETTINGS_FILE, load};
pub use schedule::{read_schedule, schedule_schema};
pub use settings::Settings;
pub use yaml::read_yaml;

//! From YAML text to a checked [`Project`]. Only this room knows that the language is YAML.

mod connections;
mod files;
mod graph;
mod hooks;
mod include;
mod interpolate;
mod names;
mod params;
mod pipeline;
mod placement;
mod project;
mod read_pipeline;
mod reading;
mod reference;
mod render;
mod retry;
mod schedule;
mod schema;
mod secrets;
mod settings;
mod syntax;
mod tables;
mod task;
mod unquoted;
mod unused;
mod version;
mod yaml;

pub use params::{Param, ParamType, Params, Rules};
pub use pipeline::{Ending, Foreach, Hook, Pipeline, TaskSpec};
pub use project::{Loaded, PIPELINES_FOLDER, Project, SETTINGS_FILE, load};
pub use reference::{reference, shapes, value_words};
pub use render::{render_json, render_text};
pub use schedule::{read_schedule, schedule_schema};
pub use schema::{pipeline_schema, project_schema};
pub use settings::Settings;
pub use yaml::read_yaml;

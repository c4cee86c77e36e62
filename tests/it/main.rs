//! x

mod oracle;
mod samples;

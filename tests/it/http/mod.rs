//! HTTP connections against a server that misbehaves.

mod around;
mod certificates;
mod credentials;
mod endings;
mod floods;
mod packed;
mod redirects;
mod requests;
mod retries;
mod targets;

//! Pages and API over HTTP, as browsers, programs and strangers ask.

mod alive;
mod api;
mod canaries;
mod client;
mod door;
mod left;
mod metrics;
mod oidc;
mod pages;
mod provider;
mod sign_in;

pub(crate) use client::{Ask, Reply, Site};

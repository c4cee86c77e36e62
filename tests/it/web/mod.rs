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
mod remote;
mod sign_in;
mod socket;

pub(crate) use client::{Ask, Reply, Site};

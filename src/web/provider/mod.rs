//! Signing in by a provider that knows people: OpenID Connect, authorization code with PKCE.
//!
//! ```text
//! browser ── GET /sign-in/provider ──▶ a cookie with a seed; to the provider with state, nonce and
//!                                      challenge that are made of the seed
//! provider ─ GET /sign-in/callback ──▶ state of the cookie? code ▶ token ▶ verified claims
//!                                      claims ▶ who, and what they may ▶ account and session
//! ```
//!
//! Nothing is kept here between the two: the cookie is the whole memory.

mod client;
mod door;
mod flow;
mod person;

pub(super) use client::Provider;
pub(super) use door::ROUTES;

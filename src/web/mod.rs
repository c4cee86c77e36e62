//! Pages and API. They read the store and send commands; they hold no state and no policy of their
//! own. See `docs/web.md`, `docs/api.md` and `docs/security.md`.

pub mod account;
mod api;
mod app;
mod asset;
mod describe;
mod draw;
mod guard;
mod listen;
mod live;
mod page;
mod problem;
mod provider;
mod route;
mod schema;
mod server;
mod session;

pub use api::openapi;
pub use app::{App, AppParts, Snapshot};
pub use guard::{Caller, Proxies, Trusted, Via};
pub use listen::Listen;
pub use problem::Problem;
pub use route::{Needs, Route, Verb, routes};
pub use server::{Hosts, Server, Serving, Unfit};

//! Pages and API. They read the store and send commands; they hold no state and no policy of their
//! own. See `docs/web.md`, `docs/api.md` and `docs/security.md`.

mod api;
mod app;
mod asset;
mod draw;
mod guard;
mod live;
mod page;
mod route;
mod server;

pub use app::{App, AppParts, Snapshot};
pub use route::{Needs, Route, Verb, routes};
pub use server::{Hosts, Server, Serving, Unfit};

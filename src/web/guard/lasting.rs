//! Answers that go on: they end with what let in who listens.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;

use super::super::App;
use super::super::route::Route;
use super::caller::{Caller, Via};

/// Between two looks whether somebody may still listen.
const LOOK: Duration = Duration::from_secs(2);

/// Ends an answer when the session or token has ended, or may no longer what it needs.
pub(super) fn limit(
    app: &Arc<App>,
    route: &'static Route,
    caller: &Caller,
    response: Response,
) -> Response {
    let (Via::Session(id) | Via::Token(id)) = &caller.via else {
        return response;
    };
    let (app, id, caller) = (app.clone(), id.clone(), caller.clone());
    let over = async move {
        loop {
            tokio::time::sleep(LOOK).await;
            // What can't be read now says nothing.
            let Ok(found) = app.accounts.store.access(&id).await else {
                continue;
            };
            let now = app.now();
            let may = found.is_some_and(|(access, account)| {
                let lives = access.expires.is_none_or(|expires| now < expires);
                let role = Some(account.role);
                let caller = Caller {
                    role,
                    ..caller.clone()
                };
                lives && caller.may(route.needs)
            });
            if !may {
                return;
            }
        }
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(over))))
}

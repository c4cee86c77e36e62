//! Calls of webhooks, from whichever process takes them.

use serde_json::{Map as JsonMap, Value as Json};

use super::DaemonLock;
use crate::daemon::clock::random;
use crate::daemon::{masker_of, ring};
use crate::model::{Json as JsonText, Timestamp};
use crate::spec::{Pipeline, Project};
use crate::store::{Call, RunStore, StoreError};
use crate::trigger::Refused;

/// What a program calls a webhook with.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// Why a call starts no run.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("DAG `{0}` has no webhook")]
    NoWebhook(String),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a call of a DAG's webhook: when this returns it is durable, and will start a run as soon as
/// there is room, also after a crash; without a daemon, when there is one. Gives the id of the call,
/// by which a repeated one is known: the same call starts one run.
///
/// # Errors
/// Who calls may not; the store can't be written.
pub async fn take_call(
    store: &dyn RunStore,
    project: &Project,
    pipeline: &Pipeline,
    request: Request<'_>,
    now: Timestamp,
) -> Result<String, CallError> {
    let mut triggers = pipeline.triggers.iter();
    let hook = triggers.find_map(|spec| spec.trigger.as_hook());
    let hook = hook.ok_or_else(|| CallError::NoWebhook(pipeline.id.to_string()))?;
    let Request { headers, body } = request;
    let id = hook.admit(headers, body, &project.environment, now)?;
    let id = id.unwrap_or_else(|| format!("{:016x}{:016x}", random(), random()));
    let detail: JsonMap<String, Json> = hook.detail(headers, body);
    // It is kept and shown. Some callers say their secret in the body, too.
    let detail = masker_of(project).mask_json(Json::Object(detail));
    let call = Call {
        dag: pipeline.id.clone(),
        id: id.clone(),
        detail: JsonText(detail.to_string().into()),
        at: now,
    };
    store.put_call(&call).await?;
    let state = &project.places.state;
    if let Some(daemon) = DaemonLock::holder(state)
        && let Err(error) = ring(state, &daemon)
    {
        // It looks itself, later.
        tracing::warn!(%error, "the daemon can't be told of a call");
    }
    Ok(id)
}

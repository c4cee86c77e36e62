//! Calls of a webhook.

use std::sync::Arc;

use super::hook::Hook;
use super::{Around, Kind, Read, Trigger, Watch};
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::task::Surroundings;
use crate::template::Shape;

pub(super) const KIND: Kind = Kind {
    name: "webhook",
    doc: DOC,
    example: include_str!("webhook/example.yaml"),
    schema: WebhookTrigger::schema,
    parse,
};

const DOC: &str = "\
Calls from other programs over HTTP: each starts one run. Whoever calls proves that he may with a secret: as \
`Authorization: Bearer …`, or by a signature of the body. A call with a header `Idempotency-Key` starts one run however often it \
is repeated; the last 1,000 are known.

`run.firing` has `body`, which is JSON where it can be read as such and a text otherwise, and `headers`, their names in lower \
case, without those that hold secrets.";

crate::record! {
    /// Calls of a webhook.
    struct WebhookTrigger as "a trigger of kind `webhook`" {
        /// Who may call.
        webhook: HookRecord,
        /// Parameters of the run; templates may read `run.firing`.
        params: Map<Node>,
    }
}

crate::record! {
    /// Who may call.
    struct HookRecord as "a `webhook`" {
        /// The environment variable that holds the secret.
        secret: Spanned<String>,
        /// The header with the HMAC-SHA256 of the body in hexadecimal digits, as GitHub's
        /// `X-Hub-Signature-256`; without it the secret itself is sent.
        signature: Option<Spanned<String>>,
        /// The header with the time of the call in seconds since 1970. `TIME.BODY` is signed then, a time
        /// more than five minutes from now is refused, and a copy of a call starts no second run.
        timestamp: Option<Spanned<String>>,
    }
}

/// A checked trigger.
#[derive(Debug)]
struct Webhook {
    hook: Hook,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Read> {
    let read = WebhookTrigger::from_node(node, surroundings.report)?;
    let record = read.webhook;
    if let (Some(timestamp), None) = (&record.timestamp, &record.signature) {
        surroundings.report.push(
            Diagnostic::error(
                "wrong-shape",
                "a time that isn't signed proves nothing",
                timestamp.span,
            )
            .help("name the header of the signature, too: `signature: X-Signature`"),
        );
    }
    let lower = |name: Option<Spanned<String>>| name.map(|name| name.to_ascii_lowercase());
    let (signature, timestamp) = (lower(record.signature), lower(record.timestamp));
    Some(Read {
        trigger: Arc::new(Webhook {
            hook: Hook {
                variable: record.secret.value.clone(),
                signature,
                timestamp,
            },
        }),
        batch: None,
        params: read.params,
        env: vec![record.secret],
    })
}

impl Trigger for Webhook {
    fn words(&self) -> String {
        "webhook".to_owned()
    }

    fn awaited(&self) -> String {
        "a call of its webhook".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::empty()
            .with("body", Shape::Any)
            .with("headers", Shape::Any)
    }

    fn list(&self) -> &'static str {
        "calls"
    }

    fn watch(&self, _: &Around) -> Option<Box<dyn Watch>> {
        None
    }

    fn as_hook(&self) -> Option<&Hook> {
        Some(&self.hook)
    }
}

//! `sign_in`: people come in by a provider that knows them (OpenID Connect).

use std::time::Duration;

use schemars::Schema;
use serde_json::{Value as Json, json};

use super::connections::Around;
use super::interpolate::interpolate;
use super::secrets::{Revealed, reveal};
use crate::document::{
    Diagnostic, FromNode, Node, OneOrMany, Report, Severity, Spanned, Value, read_map,
    refuse_unknown_keys,
};
use crate::secret::Secret;
use crate::store::Role;

crate::record! {
    /// How people come in to the pages: by a provider that knows them (OpenID Connect), such as
    /// Keycloak, Google or Entra, besides passwords. The provider sends them back to
    /// `/sign-in/callback` below the address of the pages: that address must be known to it.
    pub struct SignInRecord as "`sign_in`" {
        /// The provider: the URL below which it has `/.well-known/openid-configuration`.
        issuer: Spanned<String>,
        /// What the provider calls these pages.
        client_id: Spanned<String>,
        /// What proves to the provider that they are these pages, as `{ secret: NAME }`. Without it the
        /// provider must take a public client.
        client_secret: Option<String>,
        /// The claims of the ID token that say what somebody may. A claim inside another is
        /// `realm_access.roles`. `email` counts only when the provider has verified it.
        claim: OneOrMany<Spanned<String>>,
        /// With one of these values of the claims somebody looks at everything.
        viewer: OneOrMany<Spanned<String>>,
        /// With one of these also begins, ends and changes runs.
        operator: OneOrMany<Spanned<String>>,
        /// With one of these also says who may do what.
        admin: OneOrMany<Spanned<String>>,
        /// The claim that somebody is called by. Default: the verified `email`, or else `sub`.
        name: Option<Spanned<String>>,
        /// What the button says: `Sign in with …`. Default: the provider's host.
        label: Option<Spanned<String>>,
        /// What the provider is asked for besides `openid`, `email` and `profile`.
        scopes: OneOrMany<Spanned<String>>,
        /// After so long somebody has to pass the provider again, which looks anew what they may.
        session: Duration = "12h" => Duration::from_hours(12),
        /// Whether passwords let in, too. Links of `runner user link` always do.
        passwords: bool = "true" => true,
    }
}

/// The value of `sign_in:`, with its references still in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SignInNode(Node);

impl FromNode for SignInNode {
    fn from_node(node: &Node, _: &mut Report) -> Option<Self> {
        Some(Self(node.clone()))
    }

    fn schema() -> Schema {
        SignInRecord::schema()
    }
}

/// How people come in by a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client.
    pub client_secret: Option<Secret<String>>,
    /// The claims that say what somebody may.
    pub claims: Vec<String>,
    /// Which value of a claim gives which role.
    pub roles: Vec<(String, Role)>,
    /// The claim that somebody is called by; `None`: the verified `email`, or else `sub`.
    pub name: Option<String>,
    /// What the provider is called.
    pub label: String,
    pub scopes: Vec<String>,
    /// How long a session lasts.
    pub session: Duration,
    /// Whether passwords let in, too.
    pub passwords: bool,
}

impl SignIn {
    /// The highest role that any of these values gives; `None`: nobody comes in with them.
    pub fn role<'a>(&self, values: impl Iterator<Item = &'a str>) -> Option<Role> {
        let mut best = None;
        for value in values {
            let found = self.roles.iter().filter(|(wanted, _)| wanted == value);
            best = best.max(found.map(|(_, role)| *role).max());
        }
        best
    }
}

/// What was read.
pub struct ReadSignIn {
    /// `None` when nothing is said, with a mistake, or when a secret's command wasn't run.
    pub sign_in: Option<SignIn>,
    pub secrets: Vec<Secret<String>>,
}

/// Lets a reference stand for the secret and for nothing else.
pub(super) fn allow_secret(schema: &mut Json) {
    let secret = &mut schema["properties"]["sign_in"]["properties"]["client_secret"];
    let description = secret["description"].take();
    *secret = json!({ "description": description, "$ref": "#/$defs/secret" });
}

/// Reads what runner.yaml says, with environment variables and the secret put in.
pub fn read_sign_in(
    node: Option<&SignInNode>,
    around: &Around<'_>,
    report: &mut Report,
) -> ReadSignIn {
    let mut read = ReadSignIn {
        sign_in: None,
        secrets: Vec::new(),
    };
    let Some(SignInNode(node)) = node else {
        return read;
    };
    let mut node = node.clone();
    let before = report.diagnostics().len();
    check_is_reference(&node, report);
    interpolate(&mut node, around.environment, report);
    let Revealed { secrets, unknown } =
        reveal(&mut node, around.places, around.environment, report);
    read.secrets = secrets;
    // A value with a mistake is stood in for: the mistakes of the others are found, too.
    let Some(entries) = read_map(&node, report) else {
        return read;
    };
    let entries = refuse_unknown_keys(entries, SignInRecord::KEYS, "`sign_in`", report);
    let Some(record) = SignInRecord::from_entries(&entries, node.span, report) else {
        return read;
    };
    check(&record, report);
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    if unknown || report.diagnostics()[before..].iter().any(is_error) {
        return read;
    }
    read.sign_in = Some(of_record(record));
    read
}

/// A secret isn't written where everybody reads it.
fn check_is_reference(node: &Node, report: &mut Report) {
    let Some(secret) = node.get("client_secret") else {
        return;
    };
    let plain = match &secret.value {
        Value::Text(text) => !text.contains("${"),
        _ => false,
    };
    if plain {
        report.push(
            Diagnostic::error(
                "plain-secret",
                "a secret isn't written in runner.yaml",
                secret.span,
            )
            .help("keep it in the environment: `client_secret: { secret: RUNNER_OIDC_SECRET }`"),
        );
    }
}

fn check(record: &SignInRecord, report: &mut Report) {
    let https = record.issuer.starts_with("https://");
    if !https && !record.issuer.starts_with("http://") {
        report.push(
            Diagnostic::error("invalid-url", "this is no address", record.issuer.span)
                .label("expected a URL such as `https://login.example.org/realms/data`"),
        );
    } else if !https && !is_on_this_machine(&record.issuer) {
        report.push(
            Diagnostic::error(
                "invalid-url",
                "a provider is asked by https: what it says lets people in",
                record.issuer.span,
            )
            .help("http is for a provider on this machine, such as `http://localhost:8080/…`"),
        );
    }
    if record.client_id.value.is_empty() {
        report.push(Diagnostic::error(
            "invalid-value",
            "`client_id` is empty",
            record.client_id.span,
        ));
    }
    if record.viewer.0.is_empty() && record.operator.0.is_empty() && record.admin.0.is_empty() {
        report.push(
            Diagnostic::error(
                "wrong-shape",
                "nobody could come in: no value of a claim gives a role",
                record.span,
            )
            .help("add `viewer`, `operator` or `admin`, such as `admin: data-admins`"),
        );
    }
    let roles = [&record.viewer, &record.operator, &record.admin];
    let mut known: Vec<&Spanned<String>> = Vec::new();
    for value in roles.into_iter().flat_map(|values| &values.0) {
        if value.value.is_empty() {
            let message = "an empty value gives no role";
            report.push(Diagnostic::error("invalid-value", message, value.span));
        } else if known.iter().any(|other| other.value == value.value) {
            let message = format!("`{}` gives two roles", value.value);
            report.push(
                Diagnostic::error("duplicate", message, value.span)
                    .help("each role may all that those before it may: keep the highest"),
            );
        }
        known.push(value);
    }
    if record.session.is_zero() {
        let message = "a session of no length lets nobody in";
        report.push(Diagnostic::error("invalid-value", message, record.span));
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = rest[..end]
        .rsplit_once(':')
        .map_or(&rest[..end], |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                host
            } else {
                &rest[..end]
            }
        });
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

fn of_record(record: SignInRecord) -> SignIn {
    let texts = |values: OneOrMany<Spanned<String>>| -> Vec<String> {
        values.0.into_iter().map(|value| value.value).collect()
    };
    let with = |values: OneOrMany<Spanned<String>>, role: Role| {
        texts(values).into_iter().map(move |value| (value, role))
    };
    let host = record.issuer.split('/').nth(2).unwrap_or_default();
    let label = match record.label {
        Some(label) => label.value,
        None => host.to_owned(),
    };
    let mut claims = texts(record.claim);
    if claims.is_empty() {
        claims.push("roles".to_owned());
    }
    SignIn {
        label,
        claims,
        roles: with(record.viewer, Role::Viewer)
            .chain(with(record.operator, Role::Operator))
            .chain(with(record.admin, Role::Admin))
            .collect(),
        issuer: record.issuer.value,
        client_id: record.client_id.value,
        client_secret: record
            .client_secret
            .filter(|secret| !secret.is_empty())
            .map(Secret::new),
        name: record.name.map(|name| name.value),
        scopes: texts(record.scopes),
        session: record.session,
        passwords: record.passwords,
    }
}

#[cfg(test)]
mod tests {
    use super::is_on_this_machine;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (url, expected) in [
            ("http://localhost:8080/realms/a", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:1/", true),
            ("http://localhost.evil.example/", false),
            ("http://localhost@evil.example/", false),
            ("http://localhost:x@evil.example/", false),
            ("http://login.example.org", false),
        ] {
            assert_eq!(is_on_this_machine(url), expected, "{url}");
        }
    }
}

//! The row of the table, and the configured connection.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use schemars::{Schema, json_schema};
use tokio::sync::Mutex;

use super::HttpApi;
use super::address::{is_secret_name, whole};
use super::api::Shared;
use super::base::{Base, read_base};
use super::call::read_header;
use super::client::ClientSettings;
use super::credentials::{ClientCredentials, Credentials, Grant, Signature};
use super::exchange::LocalExchange;
use super::proxy::{self, Proxies, read_proxy};
use super::settings::{Auth, Oauth2, Policy, Scalar, Settings, Tls};
use crate::connection::{Connection, ConnectionKind, RateLimit, Surroundings};
use crate::document::{Diagnostic, Entry, FromNode, Node, Span, Spanned, Value};
use crate::secret::Secret;

pub(in crate::connection) const KIND: ConnectionKind = ConnectionKind {
    name: "http",
    doc: "An HTTP API: its base URL, or a map with headers, credentials, certificates and limits.",
    example: "github: { http: { base_url: \"https://api.github.com\", rate_limit: 1/s } }\n",
    schema,
    parse,
};

fn schema() -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "examples": ["https://api.github.com"] },
            Settings::schema(),
        ]
    })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let settings = if let Value::Text(_) = node.value {
        let entry = Entry {
            key: Spanned::new("base_url".into(), node.span),
            value: node.clone(),
        };
        Settings::from_entries(&[entry], node.span, surroundings.report)?
    } else if node.as_map().is_some() {
        Settings::from_node(node, surroundings.report)?
    } else {
        surroundings
            .report
            .expected("a URL or a map with `base_url`", node);
        return None;
    };
    let mut reading = Reading {
        surroundings,
        secrets: Vec::new(),
        sound: true,
    };
    let shared = reading.shared(&settings)?;
    let Reading { secrets, sound, .. } = reading;
    sound.then(|| {
        Arc::new(Http {
            api: shared.into(),
            secrets: Secret::new(secrets),
        }) as Arc<dyn Connection>
    })
}

/// A configured API.
#[derive(Debug)]
struct Http {
    api: HttpApi,
    secrets: Secret<Vec<String>>,
}

#[async_trait]
impl Connection for Http {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.reveal().clone()
    }

    async fn probe(&self) -> Result<(), String> {
        super::probe::probe(&self.api).await
    }

    fn as_http(&self) -> Option<&HttpApi> {
        Some(&self.api)
    }
}

/// Makes a connection of its settings, and collects what is wrong with them.
struct Reading<'a, 'b> {
    surroundings: &'a mut Surroundings<'b>,
    secrets: Vec<String>,
    sound: bool,
}

impl Reading<'_, '_> {
    fn shared(&mut self, settings: &Settings) -> Option<Shared> {
        let text = &settings.base_url;
        let base = match LocalExchange::read(text, self.surroundings.places) {
            Some(exchange) => exchange.map(|exchange| (Base::Exchange(exchange), None)),
            None => read_base(text)
                .map(|base| (Base::Url(base.url), base.user))
                .map_err(str::to_owned),
        };
        let base = base.map_err(|message| self.wrong("invalid-url", message, text.span));
        let user = base.as_ref().ok().and_then(|(_, user)| user.clone());
        let headers = self.headers(settings);
        let query = self.query(settings);
        let client = ClientSettings {
            proxies: match &base {
                // Nobody's but this machine's.
                Ok((Base::Exchange(_), _)) => Proxies::default(),
                _ => self.proxies(settings.proxy.as_ref()),
            },
            ..self.tls(settings.tls.as_ref())
        };
        let policy = Policy::from(settings);
        let mut credentials = match &settings.auth {
            Some(auth) => self.auth(auth, policy, &client),
            None => Credentials::None,
        };
        if let Some(given) = settings.auth.as_ref().map(|auth| auth.span) {
            if user.is_some() {
                let message = "the connection signs in by `auth` and by its URL: keep one of them";
                self.wrong("conflict", message.to_owned(), given);
            }
            if headers.contains_key(AUTHORIZATION) {
                let message = "the connection signs in by `auth` and by a header: keep one of them";
                self.wrong("conflict", message.to_owned(), given);
            }
        } else if let Some((username, password)) = user {
            self.secrets.push(password.clone());
            credentials = Credentials::Fixed(Signature::Basic {
                username,
                password: Secret::new(password),
            });
        }
        let networks = settings.refuse.0.iter().flat_map(|refusal| &refusal.0);
        let networks = networks.copied().collect();
        let mut shared = Shared::new(base.ok()?.0, policy, client);
        shared.guard.networks = networks;
        shared.rate = settings.rate_limit.map(RateLimit::new);
        Some(Shared {
            headers,
            query: Secret::new(query),
            credentials,
            ..shared
        })
    }

    fn headers(&mut self, settings: &Settings) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers.0 {
            match read_header(name, value) {
                Ok((name, mut header)) if !header.is_empty() => {
                    header.set_sensitive(true);
                    if is_secret_name(name.as_str()) {
                        // `Bearer token`: the token alone is as secret.
                        self.secrets
                            .extend(value.split_once(' ').map(|(_, token)| token.to_owned()));
                        self.secrets.push(value.value.clone());
                    }
                    headers.append(name, header);
                }
                Ok(_) => {}
                Err(error) => self.wrong("invalid-header", error.message, name.span),
            }
        }
        headers
    }

    fn query(&mut self, settings: &Settings) -> Vec<(String, String)> {
        let given = settings.query.0.iter();
        let given = given.filter(|(_, Scalar(value))| !value.is_empty());
        given
            .map(|(name, Scalar(value))| {
                if is_secret_name(name) {
                    self.secrets.push(value.clone());
                }
                (name.value.clone(), value.clone())
            })
            .collect()
    }

    fn proxies(&mut self, setting: Option<&Spanned<String>>) -> Proxies {
        let proxies = match setting {
            None => Proxies::of_environment(self.surroundings.environment),
            Some(none) if none.value == "none" => Proxies::default(),
            Some(url) => {
                if read_proxy(url).is_none() {
                    let message = format!(
                        "expected `none` or the URL of a proxy such as {}",
                        proxy::EXAMPLE
                    );
                    self.wrong("invalid-url", message, url.span);
                }
                Proxies::of_setting(url)
            }
        };
        self.secrets.extend(proxies.secrets());
        proxies
    }

    fn tls(&mut self, tls: Option<&Tls>) -> ClientSettings {
        let Some(tls) = tls else {
            return ClientSettings::default();
        };
        let root = &self.surroundings.places.root;
        let path = |path: &Spanned<String>| root.join(&path.value);
        let identity = match (&tls.certificate, &tls.key) {
            (Some(certificate), Some(key)) => Some((path(certificate), path(key))),
            _ => None,
        };
        let ca = tls.ca.as_ref().map(path);
        match (&tls.certificate, &tls.key) {
            (Some(alone), None) => self.alone("certificate", "key", alone.span),
            (None, Some(alone)) => self.alone("key", "certificate", alone.span),
            _ => {}
        }
        ClientSettings {
            ca,
            identity,
            ..ClientSettings::default()
        }
    }

    fn alone(&mut self, given: &str, missing: &str, span: Span) {
        let message = format!("a client's `{given}` is of no use without its `{missing}`");
        self.wrong("missing-key", message, span);
    }

    fn auth(&mut self, auth: &Auth, policy: Policy, client: &ClientSettings) -> Credentials {
        match (&auth.basic, &auth.bearer, &auth.oauth2) {
            (Some(basic), None, None) => {
                let password = basic.password.clone().unwrap_or_default();
                self.secrets.push(password.clone());
                if basic.username.contains(':') {
                    let message = "a name can't have a `:`, which ends it";
                    self.wrong("invalid-value", message.to_owned(), basic.username.span);
                }
                Credentials::Fixed(Signature::Basic {
                    username: basic.username.value.clone(),
                    password: Secret::new(password),
                })
            }
            // Not set where it isn't needed, as a header that is left out.
            (None, Some(token), None) if token.is_empty() => Credentials::None,
            (None, Some(token), None) => {
                self.secrets.push(token.value.clone());
                let Some(signature) = Signature::bearer(token) else {
                    let message = "the token has a character that headers can't have";
                    self.wrong("invalid-value", message.to_owned(), token.span);
                    return Credentials::None;
                };
                Credentials::Fixed(signature)
            }
            (None, None, Some(oauth2)) => self.oauth2(oauth2, policy, client),
            _ => {
                let message = "`auth` is one of `basic`, `bearer` and `oauth2`";
                self.wrong("wrong-shape", message.to_owned(), auth.span);
                Credentials::None
            }
        }
    }

    fn oauth2(&mut self, oauth2: &Oauth2, policy: Policy, client: &ClientSettings) -> Credentials {
        self.secrets.push(oauth2.client_secret.clone());
        let Ok(token_url) = whole(&oauth2.token_url) else {
            let message = "expected a URL such as `https://login.example.com/oauth2/token`";
            self.wrong("invalid-url", message.to_owned(), oauth2.token_url.span);
            return Credentials::None;
        };
        let grant = Grant {
            token_url: token_url.clone(),
            client_id: oauth2.client_id.clone(),
            client_secret: Secret::new(oauth2.client_secret.clone()),
            scope: oauth2.scope.clone(),
            audience: oauth2.audience.clone(),
            send_in: oauth2.send_in,
        };
        let mut server = Shared::new(Base::Url(token_url), policy, client.clone());
        server.credentials = grant
            .signature()
            .map_or(Credentials::None, Credentials::Fixed);
        Credentials::Client(Box::new(ClientCredentials {
            server: server.into(),
            grant,
            token: Mutex::default(),
        }))
    }

    fn wrong(&mut self, code: &'static str, message: String, span: Span) {
        self.sound = false;
        let diagnostic = Diagnostic::error(code, message, span);
        self.surroundings.report.push(diagnostic);
    }
}

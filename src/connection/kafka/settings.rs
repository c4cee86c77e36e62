//! What is configured, as the library's own settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::secret::Secret;

/// All of a connection but its address.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) login: Option<Login>,
    /// Settings of the library that the project names; none of them is secret.
    pub(super) properties: BTreeMap<String, String>,
}

/// Whom to trust, and who we are.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) ca: Option<Pem>,
    pub(super) certificate: Option<Pem>,
    pub(super) key: Option<Pem>,
    pub(super) key_password: Option<Secret<String>>,
    pub(super) verify: bool,
}

/// A certificate or a key.
#[derive(Debug, Clone)]
pub(super) enum Pem {
    File(PathBuf),
    Text(Secret<String>),
}

/// How to log in.
#[derive(Debug, Clone)]
pub(super) enum Login {
    Password {
        mechanism: &'static str,
        username: String,
        password: Secret<String>,
    },
    Token(OauthClient),
}

/// Where tokens are had.
#[derive(Debug, Clone)]
pub(super) struct OauthClient {
    pub(super) token_url: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret<String>,
    pub(super) scope: Option<String>,
}

impl Settings {
    /// The texts that must not be seen in logs.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        if let Some(tls) = &self.tls {
            if let Some(Pem::Text(key)) = &tls.key {
                secrets.push(key.reveal().clone());
            }
            secrets.extend(tls.key_password.iter().map(|text| text.reveal().clone()));
        }
        match &self.login {
            Some(Login::Password { password, .. }) => secrets.push(password.reveal().clone()),
            Some(Login::Token(oauth)) => secrets.push(oauth.client_secret.reveal().clone()),
            None => {}
        }
        secrets
    }

    /// The settings of every client. The project's own properties win over `defaults`, and `fixed`
    /// over both.
    pub(super) fn config(
        &self,
        brokers: &str,
        defaults: &[(&str, &str)],
        fixed: &[(&str, String)],
    ) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in COMMON.iter().chain(defaults) {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        for (name, value) in fixed {
            config.set(*name, value);
        }
        for (name, value) in self.protocol() {
            config.set(name, value);
        }
        if self.properties.contains_key("debug") {
            // Otherwise the binding tells the library to keep to itself what was asked for.
            config.set_log_level(RDKafkaLogLevel::Debug);
        }
        config.set("bootstrap.servers", brokers);
        config
    }

    /// Encryption and login.
    fn protocol(&self) -> Vec<(&'static str, String)> {
        let protocol = match (&self.tls, &self.login) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        let mut settings = vec![("security.protocol", protocol.to_owned())];
        if let Some(tls) = &self.tls {
            settings.extend(tls.settings());
        }
        match &self.login {
            Some(Login::Password {
                mechanism,
                username,
                password,
            }) => settings.extend([
                ("sasl.mechanism", (*mechanism).to_owned()),
                ("sasl.username", username.clone()),
                ("sasl.password", password.reveal().clone()),
            ]),
            Some(Login::Token(_)) => settings.push(("sasl.mechanism", "OAUTHBEARER".to_owned())),
            None => {}
        }
        settings
    }
}

/// What fits jobs better than the library's defaults.
const COMMON: &[(&str, &str)] = &[
    ("client.id", "runner"),
    ("socket.keepalive.enable", "true"),
    // Ten seconds would be the default: too long for a broker that was restarted.
    ("reconnect.backoff.max.ms", "2000"),
    ("allow.auto.create.topics", "false"),
];

impl Tls {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        for (pem, file, text) in [
            (&self.ca, "ssl.ca.location", "ssl.ca.pem"),
            (
                &self.certificate,
                "ssl.certificate.location",
                "ssl.certificate.pem",
            ),
            (&self.key, "ssl.key.location", "ssl.key.pem"),
        ] {
            match pem {
                Some(Pem::File(path)) => settings.push((file, path.to_string_lossy().into_owned())),
                Some(Pem::Text(pem)) => settings.push((text, pem.reveal().clone())),
                None => {}
            }
        }
        if let Some(password) = &self.key_password {
            settings.push(("ssl.key.password", password.reveal().clone()));
        }
        if !self.verify {
            settings.push(("enable.ssl.certificate.verification", "false".to_owned()));
            settings.push(("ssl.endpoint.identification.algorithm", "none".to_owned()));
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    /// The settings that differ from a plain connection's, as the library gets them.
    fn settings(settings: &Settings) -> Vec<String> {
        let names = [
            "security.protocol",
            "sasl.mechanism",
            "sasl.username",
            "sasl.password",
            "ssl.ca.location",
            "ssl.ca.pem",
            "ssl.certificate.location",
            "ssl.key.location",
            "ssl.key.pem",
            "ssl.key.password",
            "enable.ssl.certificate.verification",
            "ssl.endpoint.identification.algorithm",
            "linger.ms",
            "client.id",
        ];
        let config = settings.config("b:1", &[("linger.ms", "1")], &[("client.id", "x".into())]);
        assert_eq!(config.get("bootstrap.servers"), Some("b:1"));
        let found = names
            .iter()
            .filter_map(|name| Some(format!("{name}={}", config.get(name)?)));
        found.collect()
    }

    #[test]
    fn encryption_and_login_become_the_librarys_settings() {
        let everything = Settings {
            tls: Some(Tls {
                ca: Some(Pem::Text(secret("CA"))),
                certificate: Some(Pem::File("/c.pem".into())),
                key: Some(Pem::Text(secret("KEY"))),
                key_password: Some(secret("locked")),
                verify: false,
            }),
            login: Some(Login::Password {
                mechanism: "SCRAM-SHA-512",
                username: "ada".to_owned(),
                password: secret("pass word"),
            }),
            properties: BTreeMap::from([
                ("linger.ms".to_owned(), "7".to_owned()),
                ("client.id".to_owned(), "shop".to_owned()),
            ]),
        };
        assert_eq!(
            settings(&everything),
            [
                "security.protocol=sasl_ssl",
                "sasl.mechanism=SCRAM-SHA-512",
                "sasl.username=ada",
                "sasl.password=pass word",
                "ssl.ca.pem=CA",
                "ssl.certificate.location=/c.pem",
                "ssl.key.pem=KEY",
                "ssl.key.password=locked",
                "enable.ssl.certificate.verification=false",
                "ssl.endpoint.identification.algorithm=none",
                "linger.ms=7",
                "client.id=x",
            ]
        );
        assert_eq!(everything.secrets(), ["KEY", "locked", "pass word"]);
        let shown = format!("{everything:?}");
        for hidden in ["CA\"", "KEY", "locked", "pass word"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert_eq!(
            settings(&Settings::default()),
            ["security.protocol=plaintext", "linger.ms=1", "client.id=x"]
        );
    }
}

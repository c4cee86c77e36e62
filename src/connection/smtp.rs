//! A mail server (RFC 5321), for messages to people.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::unreachable::{advised, no_connection};
use super::{
    Connection, ConnectionKind, Message, Notifier, NotifyError, Places, Sending, Surroundings,
};
use crate::document::{Diagnostic, FromNode as _, Node, OneOrMany, Spanned};
use crate::secret::Secret;

pub(super) const KIND: ConnectionKind = ConnectionKind {
    name: "smtp",
    doc: "A mail server. Its connections are encrypted and its certificate is checked, unless it \
says `tls: none`.",
    example: "mail: { smtp: { host: mail.example.com, from: runner@example.com, to: ops@example.com } }\n",
    schema: Settings::schema,
    parse,
};

crate::record! {
    /// A mail server.
    struct Settings as "an smtp connection" {
        /// The server's name.
        host: Spanned<String>,
        /// Its port. 587 with `starttls`, 465 with `implicit`, 25 with `none` when left out.
        port: Option<Spanned<u32>>,
        /// How the connection is encrypted.
        tls: Encryption = "starttls" => Encryption::Starttls,
        /// A PEM file of authorities to trust besides those of the system.
        ca: Option<Spanned<String>>,
        /// Signs in with this name.
        username: Option<Spanned<String>>,
        /// Its password.
        password: Option<Spanned<String>>,
        /// Who writes: `runner@example.com`, or `Runner <runner@example.com>`.
        from: Spanned<String>,
        /// Who reads, where a message names nobody.
        to: OneOrMany<Spanned<String>>,
        /// Longest wait for an answer of the server.
        timeout: Duration = "30s" => Duration::from_secs(30),
    }
}

crate::choice! {
    /// How a connection is encrypted.
    enum Encryption as "encryption" {
        /// By STARTTLS, before anything else is said (RFC 3207).
        Starttls = "starttls",
        /// From the first byte (RFC 8314).
        Implicit = "implicit",
        /// Not at all.
        None = "none",
    }
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let settings = Settings::from_node(node, surroundings.report)?;
    let mut mailbox = |text: &Spanned<String>| {
        let mailbox = text.parse::<Mailbox>();
        if mailbox.is_err() {
            surroundings.report.push(
                Diagnostic::error("invalid-value", "this is no address", text.span)
                    .label("expected `name@example.com` or `Name <name@example.com>`"),
            );
        }
        mailbox.ok()
    };
    let from = mailbox(&settings.from);
    let to: Vec<Option<Mailbox>> = settings.to.0.iter().map(mailbox).collect();
    let port = match &settings.port {
        None => Some(match settings.tls {
            Encryption::Starttls => 587,
            Encryption::Implicit => 465,
            Encryption::None => 25,
        }),
        Some(port) => {
            let number = u16::try_from(port.value).ok().filter(|port| *port > 0);
            if number.is_none() {
                let message = format!("`{}` is no port", port.value);
                let diagnostic = Diagnostic::error("invalid-value", message, port.span);
                surroundings
                    .report
                    .push(diagnostic.label("expected 1 to 65535"));
            }
            number
        }
    };
    let credentials = match (&settings.username, &settings.password) {
        (None, None) => None,
        (Some(username), Some(password)) => {
            if settings.tls == Encryption::None && !is_local(&settings.host) {
                surroundings.report.push(
                    Diagnostic::warning(
                        "open-password",
                        "the password is sent without encryption",
                        password.span,
                    )
                    .help("use `tls: starttls` or `tls: implicit`"),
                );
            }
            Some((username.value.clone(), Secret::new(password.value.clone())))
        }
        (Some(one), None) | (None, Some(one)) => {
            surroundings.report.push(Diagnostic::error(
                "missing-key",
                "`username` and `password` belong together",
                one.span,
            ));
            return None;
        }
    };
    Some(Arc::new(MailServer {
        host: settings.host.value,
        port: port?,
        tls: settings.tls,
        ca: settings.ca.map(|ca| ca.value),
        credentials,
        from: from?,
        to: to.into_iter().collect::<Option<_>>()?,
        timeout: settings.timeout,
        places: Arc::clone(surroundings.places),
    }))
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}

/// A configured mail server.
#[derive(Debug)]
struct MailServer {
    host: String,
    port: u16,
    tls: Encryption,
    ca: Option<String>,
    credentials: Option<(String, Secret<String>)>,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
    places: Arc<Places>,
}

impl Connection for MailServer {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn secrets(&self) -> Vec<String> {
        let password = self.credentials.iter();
        password
            .map(|(_, secret)| secret.reveal().clone())
            .collect()
    }

    fn as_notifier(&self) -> Option<&dyn Notifier> {
        Some(self)
    }
}

impl MailServer {
    fn tls(&self) -> Result<Tls, NotifyError> {
        if self.tls == Encryption::None {
            return Ok(Tls::None);
        }
        let mut parameters = TlsParameters::builder(self.host.clone());
        if let Some(ca) = &self.ca {
            let wrong = |error: &dyn std::fmt::Display| {
                NotifyError::permanent(format!("the certificates in `{ca}` can't be read: {error}"))
            };
            let pem = std::fs::read(self.places.root.join(ca)).map_err(|error| wrong(&error))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(&error))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        let parameters = parameters
            .build()
            .map_err(|error| NotifyError::permanent(error.to_string()))?;
        Ok(match self.tls {
            Encryption::Implicit => Tls::Wrapper(parameters),
            _ => Tls::Required(parameters),
        })
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotifyError> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(self.tls()?)
            .timeout(Some(self.timeout));
        if let Some((username, password)) = &self.credentials {
            let credentials = Credentials::new(username.clone(), password.reveal().clone());
            builder = builder.credentials(credentials);
        }
        Ok(builder.build())
    }

    fn mail(
        &self,
        message: &Message,
        to: &[Mailbox],
        around: &Sending,
    ) -> Result<lettre::Message, NotifyError> {
        // A line break would begin another header.
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = match &message.json {
            Some(json) => json.to_string(),
            None => message.whole_text(""),
        };
        let subject = match &message.title {
            Some(title) => one_line(title),
            None => one_line(text.lines().next().unwrap_or_default()),
        };
        // The same at every try: a reader's program may leave the second copy out.
        let id = format!(
            "<{}@{}>",
            message.key.replace('/', "."),
            self.from.email.domain()
        );
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .date((around.clock)().into())
            .message_id(Some(id));
        for mailbox in to {
            mail = mail.to(mailbox.clone());
        }
        let part = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(text);
        mail.singlepart(part)
            .map_err(|error| NotifyError::permanent(error.to_string()))
    }
}

/// What went wrong at the server of this place.
fn told(place: &str, error: &lettre::transport::smtp::Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // The library says the nearest cause itself.
        let text = cause.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = cause.source();
    }
    match reason.strip_prefix("Connection error: ") {
        Some(cause) => no_connection(place, cause),
        None => advised(format!("{place}: {reason}")),
    }
}

#[async_trait]
impl Notifier for MailServer {
    async fn notify(&self, message: &Message, around: &Sending) -> Result<String, NotifyError> {
        let others: Vec<Mailbox> = message
            .to
            .iter()
            .map(|to| {
                let wrong = || NotifyError::permanent(format!("`{to}` is no address"));
                to.parse().map_err(|_| wrong())
            })
            .collect::<Result<_, _>>()?;
        let to = if others.is_empty() { &self.to } else { &others };
        if to.is_empty() {
            return Err(NotifyError::permanent(
                "nobody is named: add `to` to the task or to the connection",
            ));
        }
        let mail = self.mail(message, to, around)?;
        let transport = self.transport()?;
        let place = format!("{}:{}", self.host, self.port);
        tokio::select! {
            sent = transport.send(mail) => match sent {
                Ok(_) => {
                    let names: Vec<String> = to.iter().map(|to| to.email.to_string()).collect();
                    Ok(format!("{} by {place}", names.join(", ")))
                }
                Err(error) => {
                    let message = told(&place, &error);
                    Err(if error.is_permanent() || error.is_client() {
                        NotifyError::permanent(message)
                    } else {
                        NotifyError::transient(message)
                    })
                }
            },
            () = around.cancel.cancelled() => Err(NotifyError::transient("cancelled")),
        }
    }
}

//! Where traces and logs go: OpenTelemetry's own variables, from the environment or `.env`.

use std::time::Duration;

use crate::secret::{Environment, Secret};

/// How long a collector may take for one answer, unless a variable says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Spans, and lines of logs, that may wait.
const QUEUE: usize = 2048;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Logs,
}

/// Where traces and logs go.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// URLs that they are posted to; `None`: nobody wants them.
    pub traces: Option<String>,
    pub logs: Option<String>,
    /// Headers of every request; they may have a key in them.
    pub headers: Vec<(String, Secret<String>)>,
    pub timeout: Duration,
    /// What is said of this program: `service.name` and the like.
    pub resource: Vec<(String, String)>,
    /// Spans, and lines of logs, that may wait.
    pub queue: usize,
}

impl TelemetrySettings {
    /// What the environment says; `None`: nothing is sent anywhere. What can't be understood is left
    /// out, and told: a wrong variable is no reason not to run.
    #[must_use]
    pub fn read(environment: &Environment, mistakes: &mut Vec<String>) -> Option<Self> {
        let get = |name: &str| environment.get(name).map(str::trim);
        if get("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return None;
        }
        let base = get("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| base.trim_end_matches('/'));
        let mut url = |own: &str, exporter: &str, path: &str| -> Option<String> {
            if get(exporter) == Some("none") {
                return None;
            }
            let url = get(own)
                .map(str::to_owned)
                .or_else(|| base.map(|base| format!("{base}/v1/{path}")))?;
            if url.starts_with("http://") || url.starts_with("https://") {
                return Some(url);
            }
            mistakes.push(format!(
                "`{url}` is no URL to send {path} to: write it with `http://`"
            ));
            None
        };
        let traces = url(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_TRACES_EXPORTER",
            "traces",
        );
        let logs = url(
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            "OTEL_LOGS_EXPORTER",
            "logs",
        );
        if traces.is_none() && logs.is_none() {
            return None;
        }
        if let Some(protocol) = get("OTEL_EXPORTER_OTLP_PROTOCOL")
            && protocol != "http/protobuf"
        {
            mistakes.push(format!(
                "`{protocol}` isn't spoken here: `http/protobuf` is, which collectors take at port 4318"
            ));
        }
        let mut number = |name: &str| {
            let text = get(name)?;
            let number = text.parse::<u64>().ok();
            if number.is_none() {
                mistakes.push(format!("`{name}` is no number: `{text}`"));
            }
            number
        };
        let timeout = number("OTEL_EXPORTER_OTLP_TIMEOUT").map(Duration::from_millis);
        let queue = number("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|most| usize::try_from(most).ok());
        let headers = pairs(get("OTEL_EXPORTER_OTLP_HEADERS")).into_iter();
        let mut resource = pairs(get("OTEL_RESOURCE_ATTRIBUTES"));
        if let Some(name) = get("OTEL_SERVICE_NAME") {
            resource.retain(|(known, _)| known != "service.name");
            resource.push(("service.name".to_owned(), name.to_owned()));
        }
        for (name, value) in [
            ("service.name", "runner"),
            ("service.version", env!("CARGO_PKG_VERSION")),
        ] {
            if resource.iter().all(|(known, _)| known != name) {
                resource.push((name.to_owned(), value.to_owned()));
            }
        }
        Some(Self {
            traces,
            logs,
            headers: headers
                .map(|(name, value)| (name, Secret::new(value)))
                .collect(),
            timeout: timeout.unwrap_or(TIMEOUT),
            resource,
            queue: queue.unwrap_or(QUEUE).max(1),
        })
    }
}

/// `name=value,name=value`, with values as in URLs (`%20`).
fn pairs(text: Option<&str>) -> Vec<(String, String)> {
    let pairs = text.unwrap_or("").split(',');
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim(), decoded(value.trim())));
    pairs
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Option<TelemetrySettings>, Vec<String>) {
        let mut mistakes = Vec::new();
        let settings = TelemetrySettings::read(&Environment::from_pairs(pairs), &mut mistakes);
        (settings, mistakes)
    }

    #[test]
    fn nothing_is_sent_unless_it_is_said_where() {
        for pairs in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "etl")],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                ("OTEL_SDK_DISABLED", "true"),
            ],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
            ],
        ] {
            let (settings, mistakes) = read(pairs);
            assert!(settings.is_none() && mistakes.is_empty(), "{pairs:?}");
        }
    }

    #[test]
    fn the_variables_are_opentelemetry_s() {
        let (settings, mistakes) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://logs/in"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-team = data"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,env=prod"),
            ("OTEL_SERVICE_NAME", "etl"),
        ]);
        let settings = settings.unwrap();
        assert!(mistakes.is_empty());
        assert_eq!(settings.traces.as_deref(), Some("http://c:4318/v1/traces"));
        assert_eq!(settings.logs.as_deref(), Some("https://logs/in"));
        assert_eq!(settings.timeout, Duration::from_millis(2500));
        let headers = settings.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.reveal().as_str()))
            .collect();
        assert_eq!(headers, [("x-key", "a b"), ("x-team", "data")]);
        let resource: Vec<_> = settings
            .resource
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let version = ("service.version", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            resource,
            [("env", "prod"), ("service.name", "etl"), version]
        );
    }

    #[test]
    fn what_can_t_be_understood_is_told() {
        let (settings, mistakes) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ]);
        assert_eq!(settings.unwrap().traces, None);
        assert_eq!(
            mistakes,
            [
                "`c:4317` is no URL to send traces to: write it with `http://`",
                "`grpc` isn't spoken here: `http/protobuf` is, which collectors take at port 4318",
                "`OTEL_EXPORTER_OTLP_TIMEOUT` is no number: `soon`",
            ]
        );
    }
}

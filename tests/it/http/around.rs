//! What a request needs around it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use runner::connection::{
    Connection, HttpApi, HttpError, HttpHead, HttpLimits, HttpMethod, HttpRequest, Sending,
};
use runner::secret::Masker;
use tokio_util::sync::CancellationToken;

use crate::support::connections::{connection, places};
use crate::support::fault_server::FaultServer;

/// An API, and the log of what was sent to it.
pub(super) struct Stage {
    pub(super) connection: Arc<dyn Connection>,
    pub(super) api: HttpApi,
    pub(super) sending: Sending,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    /// An API with settings as the flow of a YAML map: `tries: 1, headers: {…}`.
    pub(super) fn new(base_url: &str, settings: &str) -> Self {
        Self::within(base_url, settings, Path::new("/nonexistent"))
    }

    /// The same in a project's folder.
    pub(super) fn within(base_url: &str, settings: &str, root: &Path) -> Self {
        let yaml = format!("http: {{ base_url: \"{base_url}\", {settings} }}");
        let connection = connection("api", &yaml, &places(root));
        let api = connection.as_http().expect("an API").clone();
        Self::of(connection, api)
    }

    fn of(connection: Arc<dyn Connection>, api: HttpApi) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&lines);
        let secrets = connection.secrets();
        let sending = Sending {
            log: Arc::new(move |line| log.lock().expect("lines").push(line.to_owned())),
            cancel: CancellationToken::new(),
            clock: Arc::new(|| "2026-11-21T11:00:00Z".parse().expect("a time")),
            sent: None,
            masker: Masker::new(secrets.iter().map(String::as_str)),
        };
        Self {
            connection,
            api,
            sending,
            lines,
        }
    }

    /// The log so far, with `*` for the server's port and for every time.
    pub(super) fn log(&self, server: &FaultServer) -> Vec<String> {
        let port = server
            .url()
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        let lines = self.lines.lock().expect("lines");
        let normal = |line: &String| {
            let line = line.replace(&format!(":{port}"), ":*");
            match line.rsplit_once(", ") {
                Some((rest, time)) if time.ends_with('s') && time.starts_with(char::is_numeric) => {
                    rest.to_owned()
                }
                _ => line,
            }
        };
        lines.iter().map(normal).collect()
    }

    /// Reads a whole answer of at most a megabyte.
    pub(super) async fn fetch(
        &self,
        request: &HttpRequest,
    ) -> Result<(HttpHead, Bytes), HttpError> {
        self.api.fetch(request, 1 << 20, &self.sending).await
    }

    /// The text of an answer.
    pub(super) async fn text(&self, request: &HttpRequest) -> String {
        let (_, body) = self.fetch(request).await.expect("an answer");
        String::from_utf8(body.to_vec()).expect("UTF-8")
    }

    /// The failure of a request, and how long it took.
    pub(super) async fn failure(&self, request: &HttpRequest) -> (HttpError, Duration) {
        let began = Instant::now();
        let error = self.fetch(request).await.expect_err("a failure");
        (error, began.elapsed())
    }
}

/// A GET.
pub(super) fn get(target: &str) -> HttpRequest {
    HttpRequest::new(HttpMethod::Get, target)
}

/// A request that isn't repeated.
pub(super) fn once(request: HttpRequest) -> HttpRequest {
    let limits = HttpLimits {
        tries: Some(1),
        ..request.limits
    };
    HttpRequest { limits, ..request }
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

//! The line that a request leaves in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::Sending;
use crate::document::units::format_duration;

/// Writes one line when a request has ended, however it ends: its body may be read long after its
/// head, or never.
pub(super) struct Journal {
    /// Method and URL, as people may see them.
    pub(super) name: String,
    /// Bytes of the body as they were sent.
    pub(super) wire: Arc<AtomicU64>,
    status: Option<u16>,
    began: Instant,
    around: Sending,
    written: bool,
}

impl Journal {
    /// A request that is about to be sent.
    pub(super) fn begin(name: String, around: &Sending) -> Self {
        Self {
            name,
            wire: Arc::default(),
            status: None,
            began: Instant::now(),
            around: around.clone(),
            written: false,
        }
    }

    /// The answer's head has come.
    pub(super) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// It has ended, and why if it isn't well.
    pub(super) fn end(&mut self, received: u64, reason: Option<&str>) {
        let wire = self.wire.load(Ordering::Relaxed);
        let bytes = match (self.status, wire == received || received == 0) {
            (None, _) => None,
            (Some(_), true) => Some(format!("{wire} bytes")),
            (Some(_), false) => Some(format!("{received} bytes ({wire} packed)")),
        };
        let parts: Vec<&str> = bytes.as_deref().into_iter().chain(reason).collect();
        self.write(&parts.join(", "));
    }

    fn write(&mut self, text: &str) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let time = format_duration(self.began.elapsed());
        let status = self.status.map(|status| format!("{status}, "));
        let line = format!(
            "{}: {}{text}, {time}",
            self.name,
            status.unwrap_or_default()
        );
        (self.around.log)(&self.around.masker.mask(&line));
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.status.is_some() {
            self.end(0, Some("not read to its end"));
        } else {
            self.end(0, Some("given up"));
        }
    }
}

//! Traces and logs for an OpenTelemetry collector: a run is a trace, an attempt a span in it. Nothing
//! here can fail a run or make it wait: what doesn't fit into the queue is dropped and counted.
//! See `docs/operations.md`.

mod encode;
mod exporter;
mod ids;
mod post;
mod record;
mod settings;
mod wire;

pub use exporter::{Telemetry, dropped};
pub use ids::{SpanId, TraceId, attempt_span, run_span, trace_of, traceparent};
pub use record::{Attribute, LogLine, Origin, Severity, Span, Value};
pub use settings::{Signal, TelemetrySettings};

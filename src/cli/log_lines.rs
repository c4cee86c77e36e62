//! The log of the daemon: a line for each thing that happens, for people or as JSON.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::arguments::LogStyle;
use super::{look, moment};
use crate::daemon::clock::now;
use crate::daemon::{News, trigger_word};
use crate::document::units::format_duration;
use crate::model::{
    AttemptOutcome, RunId, RunState, Schedule, TaskState, Timestamp, Transition, TriggerKind,
};
use crate::spec::Pipeline;

/// The column of a DAG's name.
const NAME_WIDTH: usize = 24;

/// Begins to write what is traced to standard error: warnings of commands that say by themselves
/// what they do. `RUNNER_LOG` chooses otherwise.
pub fn start_quiet() {
    tracing_subscriber::fmt()
        .with_env_filter(filter("warn"))
        .with_writer(std::io::stderr)
        .init();
}

fn filter(unless_chosen: &str) -> EnvFilter {
    let environment = crate::secret::Environment::of_process();
    EnvFilter::new(environment.get("RUNNER_LOG").unwrap_or(unless_chosen))
}

/// Begins to write what is traced to standard error: the program's own words from `INFO` on, those
/// of libraries from `WARN` on. `RUNNER_LOG` chooses otherwise.
pub fn start(style: LogStyle) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter("warn,runner=info"))
        .with_writer(std::io::stderr);
    match style {
        LogStyle::Json => lines.json().flatten_event(true).init(),
        LogStyle::Text => {
            let choice = anstream::AutoStream::choice(&std::io::stderr());
            lines
                .with_ansi(choice != anstream::ColorChoice::Never)
                .event_format(Lines)
                .init();
        }
    }
}

/// `14:05:00  etl_ticker  run ended: success  run=… took=3.2s`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut words = Words::default();
        event.record(&mut words);
        let mut line = String::new();
        let faint = look::FAINT;
        let time = moment::local(now()).format("%Y-%m-%d %H:%M:%S");
        write!(line, "{faint}{time}{faint:#}  ")?;
        if !words.dag.is_empty() {
            write!(line, "{}  ", look::fit(&words.dag, NAME_WIDTH))?;
        }
        match *event.metadata().level() {
            Level::ERROR => write!(line, "{0}error{0:#}: ", look::ERROR)?,
            Level::WARN => write!(line, "{0}warning{0:#}: ", look::WARN)?,
            _ => {}
        }
        let style = look_of(&words.state);
        write!(line, "{style}{}{style:#}", words.message)?;
        if !words.rest.is_empty() {
            write!(line, "  {faint}{}{faint:#}", words.rest.trim_end())?;
        }
        if out.has_ansi_escapes() {
            writeln!(out, "{line}")
        } else {
            writeln!(out, "{}", anstream::adapter::strip_str(&line))
        }
    }
}

fn look_of(state: &str) -> anstyle::Style {
    match state {
        "success" => look::GOOD,
        "failed" => look::BAD,
        "cancelled" => look::WARN,
        _ => anstyle::Style::new(),
    }
}

/// The parts of a line.
#[derive(Default)]
struct Words {
    message: String,
    dag: String,
    state: String,
    rest: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Formatting into a string doesn't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "dag" => write!(self.dag, "{value:?}"),
            "state" => write!(self.state, "{value:?}"),
            "error" | "reason" => write!(self.message, ": {value:?}"),
            name if name.starts_with("log.") => Ok(()),
            name => write!(self.rest, "{name}={value:?}  "),
        };
    }
}

/// What is known of the runs that are being carried out.
#[derive(Default)]
pub struct RunLines {
    runs: HashMap<RunId, Shown>,
}

struct Shown {
    pipeline: Arc<Pipeline>,
    began: Timestamp,
}

impl RunLines {
    /// Tells of runs and of what fails in them, until there is no more news.
    pub async fn tell(mut self, mut heard: UnboundedReceiver<News>) {
        while let Some(news) = heard.recv().await {
            self.line(news);
        }
    }

    fn line(&mut self, news: News) {
        match news {
            News::Run { spec, pipeline } => {
                let (dag, run) = (&spec.dag, &spec.id);
                let word = match &spec.trigger {
                    TriggerKind::Event { source, .. } => source,
                    other => trigger_word(other),
                };
                let is_tick = spec.trigger == TriggerKind::Schedule
                    && pipeline.schedule != Some(Schedule::Always);
                let tick = is_tick.then(|| moment::utc(spec.logical_time));
                if let Some(tick) = tick {
                    tracing::info!(%dag, "run began: {word} {tick}  {run}");
                } else {
                    tracing::info!(%dag, "run began: {word}  {run}");
                }
                let began = now();
                self.runs.insert(run.clone(), Shown { pipeline, began });
            }
            News::Changed(transition) => self.changed(&transition),
            News::Started { .. } => {}
            News::Store(Some(message)) => tracing::warn!("waiting: {message}"),
            News::Store(None) => tracing::info!("the run state can be written again"),
        }
    }

    fn changed(&mut self, transition: &Transition) {
        match transition {
            Transition::Run { run, state, at } if state.is_finished() => {
                let Some(shown) = self.runs.remove(run) else {
                    return;
                };
                let dag = &shown.pipeline.id;
                let took = format_duration((*at - shown.began).to_std().unwrap_or_default());
                let word = state.as_str();
                if *state == RunState::Failed {
                    tracing::error!(%dag, state = word, "run {word} after {took}  {run}");
                } else {
                    tracing::info!(%dag, state = word, "run {word} after {took}  {run}");
                }
            }
            Transition::Task {
                run,
                task_run,
                state,
                ended: Some(ended),
                ..
            } => {
                let AttemptOutcome::Failed { cause, .. } = &ended.result.outcome else {
                    return;
                };
                let Some(shown) = self.runs.get(run) else {
                    return;
                };
                let dag = &shown.pipeline.id;
                let task = &shown.pipeline.dag.task(task_run.task).id;
                let item = task_run
                    .item
                    .map_or(String::new(), |item| format!("[{item}]"));
                let again = match state {
                    TaskState::RetryWait { until, .. } => {
                        format!(", again at {}", moment::local(*until).format("%H:%M:%S"))
                    }
                    _ => String::new(),
                };
                let cause = cause.message.lines().next().unwrap_or_default();
                tracing::warn!(%dag, "task {task}{item} failed{again}: {cause}");
            }
            _ => {}
        }
    }
}

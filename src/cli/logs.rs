//! `runner logs`: what the tasks of a run have logged.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::arguments::{Format, Logs as Arguments};
use super::context::{Context, runtime};
use super::log_copies::Copies;
use super::{Mistake, engage, exit, find, look, moment, output, rendered};
use crate::daemon::clock::now;
use crate::model::{RunId, TaskIndex, Timestamp};
use crate::operate::log::{self, LogFile, Logs};
use crate::operate::run::Known;
use crate::store::RunStore;
use crate::task::{Rendered, read_rendered};

/// Between two looks at files that may grow.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks at the files for one at the store.
const LOOKS: u32 = 3;
/// The longest column of names.
const NAME_WIDTH: usize = 32;

pub fn run(context: &Context, command: &Arguments) -> anyhow::Result<u8> {
    runtime()?.block_on(async {
        let place = if let Some(server) = &context.server {
            Place::There(Copies::new(server)?)
        } else {
            context.require_project()?;
            Place::Here(&context.places.state, context.store().await?)
        };
        let shown = show(context, place, command).await?;
        if let Place::Here(_, store) = shown {
            store.close().await;
        }
        Ok(exit::OK)
    })
}

async fn show<'a>(
    context: &Context,
    mut place: Place<'a>,
    command: &Arguments,
) -> anyhow::Result<Place<'a>> {
    let known = place.find(context, &command.run).await?;
    let task = match &command.task {
        Some(name) => Some(find::task_of(&known.names, name)?),
        None => None,
    };
    let chosen = Chosen {
        run: known.run.id.clone(),
        names: known.names.clone(),
        task,
        command,
    };
    let files = chosen.files(&place, &known);
    chosen.require(&files)?;
    if command.rendered {
        let mut found = Vec::with_capacity(files.len());
        for file in &files {
            found.push((file, place.rendered(&chosen.run, file).await?));
        }
        rendered::print(&found, command.format)?;
        return Ok(place);
    }
    place.fetch(&chosen.run, &files).await?;
    let now = now();
    let mut printer = Printer {
        out: output::stdout(),
        format: command.format,
        name_width: chosen.name_width(&files),
        with_day: moment::local(known.run.created).date_naive() != moment::local(now).date_naive(),
    };
    let mut followed = print_so_far(&files, command.tail, &mut printer)?;
    if command.follow {
        chosen
            .follow(&mut place, known, &mut followed, &mut printer)
            .await?;
    } else if followed.is_empty() && command.format == Format::Text {
        let faint = look::FAINT;
        writeln!(anstream::stderr(), "{faint}it has logged nothing{faint:#}")?;
    }
    printer.out.flush()?;
    Ok(place)
}

/// Where logs are read.
enum Place<'a> {
    /// Below the state's folder.
    Here(&'a Path, Arc<dyn RunStore>),
    /// On a server: what it has sent is read here.
    There(Copies<'a>),
}

impl Place<'_> {
    /// The run that a name means.
    async fn find(&self, context: &Context, name: &str) -> anyhow::Result<Known> {
        match self {
            Self::Here(state, store) => {
                let run = find::run(context, store.as_ref(), name).await?;
                Ok(Known::read(state, store.as_ref(), run).await?)
            }
            Self::There(copies) => {
                let run = copies.server.find(name).await?;
                Ok(copies.server.run(&run.id).await?.0)
            }
        }
    }

    /// A run as it is now.
    async fn look(&self, known: &Known) -> anyhow::Result<Known> {
        match self {
            Self::Here(state, store) => {
                let run = engage::reread(store.as_ref(), &known.run).await?;
                Ok(Known::read(state, store.as_ref(), run).await?)
            }
            Self::There(copies) => Ok(copies.server.run(&known.run.id).await?.0),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Here(state, _) => state,
            Self::There(copies) => copies.folder.path(),
        }
    }

    /// What an attempt has executed.
    async fn rendered(&self, run: &RunId, file: &LogFile) -> anyhow::Result<Vec<Rendered>> {
        match self {
            Self::Here(..) => read_rendered(&file.path)
                .map_err(|error| anyhow::anyhow!("{}: {error}", file.path.display())),
            Self::There(copies) => copies.rendered(run, file).await,
        }
    }

    /// Gets what isn't here yet.
    async fn fetch(&mut self, run: &RunId, files: &[LogFile]) -> anyhow::Result<()> {
        match self {
            Self::Here(..) => Ok(()),
            Self::There(copies) => copies.fetch(run, files).await,
        }
    }
}

/// What the command line chooses.
struct Chosen<'a> {
    run: RunId,
    names: Vec<String>,
    task: Option<TaskIndex>,
    command: &'a Arguments,
}

impl Chosen<'_> {
    /// The logs, in the order of their tasks.
    fn files(&self, place: &Place<'_>, known: &Known) -> Vec<LogFile> {
        let chosen = Logs {
            task: self.task,
            item: self.command.item,
            attempt: self.command.attempt,
        };
        let (run, names) = (&known.run, &known.names);
        log::of_rows(place.folder(), run, names, &known.tasks, chosen)
    }

    /// A mistake when what was named has no log.
    fn require(&self, files: &[LogFile]) -> anyhow::Result<()> {
        if !files.is_empty() || self.command.follow {
            return Ok(());
        }
        let run = &self.run;
        let Some(task) = &self.command.task else {
            return Err(Mistake::new(format!("run {run} has started no task yet")).into());
        };
        let what = match (self.command.item, self.command.attempt) {
            (Some(item), Some(attempt)) => format!("attempt {attempt} of `{task}[{item}]`"),
            (Some(item), None) => format!("`{task}[{item}]`"),
            (None, Some(attempt)) => format!("attempt {attempt} of `{task}`"),
            (None, None) => format!("`{task}`"),
        };
        Err(Mistake::new(format!("{what} hasn't started in run {run}"))
            .help(format!("`runner show {run}` shows what has"))
            .into())
    }

    /// How wide the names are; `None` when there is only one.
    fn name_width(&self, files: &[LogFile]) -> Option<usize> {
        if self.task.is_some() && self.command.item.is_some() {
            return None;
        }
        if self.task.is_some() && !files.iter().any(|file| file.id.item.is_some()) {
            return None;
        }
        let width = |file: &LogFile| {
            let item = file.id.item.map_or(0, |item| item.to_string().len() + 2);
            file.task.len() + item
        };
        let known = files.iter().map(width).max().unwrap_or(0);
        let coming = self.names.iter().map(String::len).max();
        let coming = coming.filter(|_| self.command.follow).unwrap_or(0);
        Some(known.max(coming).min(NAME_WIDTH))
    }

    /// Prints what comes until the run has ended.
    async fn follow(
        &self,
        place: &mut Place<'_>,
        mut known: Known,
        followed: &mut HashMap<PathBuf, u64>,
        printer: &mut Printer,
    ) -> anyhow::Result<()> {
        let mut looks = 0;
        loop {
            // First the state, then the files: what is written before the end is seen.
            let ended = known.run.state.is_finished() || known.interrupted;
            let files = self.files(place, &known);
            place.fetch(&self.run, &files).await?;
            let mut lines = Vec::new();
            for file in &files {
                let from = followed.entry(file.path.clone()).or_insert(0);
                *from = grown(file, *from, &mut lines)?;
            }
            lines.sort_by_key(|line| line.at);
            for line in &lines {
                printer.print(line)?;
            }
            printer.out.flush()?;
            if ended {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
            looks += 1;
            if looks % LOOKS == 0 {
                known = place.look(&known).await?;
            }
        }
    }
}

/// A line of a log.
struct Line<'a> {
    file: &'a LogFile,
    /// `None`: the line is damaged.
    at: Option<Timestamp>,
    level: String,
    text: String,
}

/// Takes `2026-08-20T14:02:03.123Z info  text` apart.
fn line<'a>(file: &'a LogFile, bytes: &[u8]) -> Line<'a> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\n');
    let parts = text.split_once(' ').and_then(|(time, rest)| {
        let at: Timestamp = time.parse().ok()?;
        let (level, text) = rest.split_at_checked(5)?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        Some((at, level.trim_end().to_owned(), text.to_owned()))
    });
    match parts {
        Some((at, level, text)) => Line {
            file,
            at: Some(at),
            level,
            text,
        },
        None => Line {
            file,
            at: None,
            level: String::new(),
            text: text.to_owned(),
        },
    }
}

/// A log that is being read, next to the others by the time of its next line. It is opened when
/// its turn comes: there may be more of them than a process may have open.
struct Reading<'a> {
    /// The time of `next`, or before that when the log begins.
    at: Timestamp,
    order: usize,
    file: &'a LogFile,
    reader: Option<BufReader<File>>,
    next: Option<Line<'a>>,
}

impl Ord for Reading<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The greatest is the oldest.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
impl PartialOrd for Reading<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Reading<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Reading<'_> {}

/// Prints all logs in the order of time, and says how far each was read.
fn print_so_far(
    files: &[LogFile],
    tail: Option<usize>,
    printer: &mut Printer,
) -> anyhow::Result<HashMap<PathBuf, u64>> {
    let mut read = HashMap::new();
    let mut last: VecDeque<Line<'_>> = VecDeque::new();
    let mut heap: BinaryHeap<Reading<'_>> = files
        .iter()
        .enumerate()
        .map(|(order, file)| Reading {
            at: file.started,
            order,
            file,
            reader: None,
            next: None,
        })
        .collect();
    while let Some(mut log) = heap.pop() {
        if let Some(line) = log.next.take() {
            match tail {
                None => printer.print(&line)?,
                Some(0) => {}
                Some(most) => {
                    if last.len() == most {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
            }
        }
        let reader = match &mut log.reader {
            Some(reader) => reader,
            None => match File::open(&log.file.path) {
                Ok(file) => log.reader.insert(BufReader::new(file)),
                // It has logged nothing.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(log.file, &error)),
            },
        };
        let mut bytes = Vec::new();
        let length = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| unreadable(log.file, &error))?;
        // A line without an end is being written.
        if length == 0 || !bytes.ends_with(b"\n") {
            continue;
        }
        *read.entry(log.file.path.clone()).or_insert(0) += length as u64;
        let next = line(log.file, &bytes);
        log.at = next.at.unwrap_or(log.at);
        log.next = Some(next);
        heap.push(log);
    }
    for line in &last {
        printer.print(line)?;
    }
    Ok(read)
}

/// Reads the lines of a log from a place on, and says up to where.
fn grown<'a>(file: &'a LogFile, from: u64, lines: &mut Vec<Line<'a>>) -> anyhow::Result<u64> {
    let mut open = match File::open(&file.path) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(from),
        Err(error) => return Err(unreadable(file, &error)),
    };
    if open.metadata().map_or(0, |metadata| metadata.len()) <= from {
        return Ok(from);
    }
    open.seek(SeekFrom::Start(from))
        .map_err(|error| unreadable(file, &error))?;
    let mut reader = BufReader::new(open);
    let mut at = from;
    loop {
        let mut bytes = Vec::new();
        let length = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| unreadable(file, &error))?;
        if length == 0 || !bytes.ends_with(b"\n") {
            return Ok(at);
        }
        at += length as u64;
        lines.push(line(file, &bytes));
    }
}

fn unreadable(file: &LogFile, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("{}: {error}", file.path.display())
}

/// Prints lines.
struct Printer {
    out: std::io::BufWriter<anstream::AutoStream<std::io::StdoutLock<'static>>>,
    format: Format,
    /// The column of names, when there are several.
    name_width: Option<usize>,
    with_day: bool,
}

impl Printer {
    fn print(&mut self, line: &Line<'_>) -> std::io::Result<()> {
        if self.format == Format::Json {
            let json = json!({
                "time": line.at.map(moment::utc),
                "task": line.file.task,
                "item": line.file.id.item,
                "attempt": line.file.attempt,
                "level": line.level,
                "text": line.text,
            });
            return writeln!(self.out, "{json}");
        }
        let faint = look::FAINT;
        let format = if self.with_day {
            "%Y-%m-%d %H:%M:%S%.3f"
        } else {
            "%H:%M:%S%.3f"
        };
        let time = line.at.map_or_else(
            || "?".to_owned(),
            |at| moment::local(at).format(format).to_string(),
        );
        let name = self.name_width.map_or_else(String::new, |width| {
            let item = line.file.id.item;
            let item = item.map_or_else(String::new, |item| format!("[{item}]"));
            let name = look::fit(&format!("{}{item}", line.file.task), width);
            let style = look::BUSY;
            format!("  {style}{name}{style:#}")
        });
        let style = match line.level.as_str() {
            "error" => look::BAD,
            "warn" => look::WARN,
            "info" => look::FAINT,
            _ => anstyle::Style::new(),
        };
        let text = format!(
            "{faint}{time}{faint:#}{name}  {faint}{:<5}{faint:#}  {style}{}{style:#}",
            line.level, line.text
        );
        writeln!(self.out, "{}", text.trim_end())
    }
}

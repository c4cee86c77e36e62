//! `runner logs`: what the tasks of a run have logged.

mod copies;
mod place;
mod print;
mod read;
mod rendered;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use self::copies::Copies;
use self::place::Place;
use self::print::Printer;
use self::read::{grown, print_so_far};
use super::arguments::{Format, Logs as Arguments};
use super::context::{Context, runtime};
use super::{Mistake, exit, find, look, moment, output};
use crate::daemon::clock::now;
use crate::model::{RunId, TaskIndex};
use crate::operate::log::{self, LogFile, Logs};
use crate::operate::run::Known;

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

//! A run that another process carries out, shown as it happens: what the store knows is looked at,
//! and what is new is told as the process itself would tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::attend::Signals;
use super::context::Context;
use super::live::View;
use super::watch::{show_of, watch};
use super::{engage, exit};
use crate::daemon::clock::now;
use crate::daemon::{News, is_alive, ring};
use crate::model::{
    Budget, Ended, Json, RunId, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition,
};
use crate::remote::Server;
use crate::spec::Project;
use crate::store::{CommandKind, Owner, RunRow, RunStore, StoredRun, TaskRunRow};

/// Between two looks at the store.
const LOOK: Duration = Duration::from_millis(100);
/// Between two questions to a server.
const ASK: Duration = Duration::from_millis(300);
/// A server that is started anew is waited for so long.
const AWAY: Duration = Duration::from_mins(1);
/// A look may take so large a part of the time between two.
const PART: u32 = 5;

/// Shows a run until it has ended. When the process that carries it out ends before, this one goes
/// on with it.
pub async fn follow<W: Write>(
    context: &Context,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    run: &RunId,
    mut view: View<W>,
) -> anyhow::Result<RunState> {
    let mut seen = Seen::default();
    let mut person = Asker::new()?;
    let state = &context.places.state;
    loop {
        let began = Instant::now();
        let row = row(store.as_ref(), run).await?;
        // Asked before the tasks: what it ended with is among them.
        let is_over = row.state.is_finished() && !is_awaited(store.as_ref(), &row).await?;
        for news in seen.look(&row, &store.task_runs(&row.id).await?) {
            view.take(news)?;
        }
        if is_over {
            view.end()?;
            return Ok(view.state());
        }
        if !is_alive(state, &row.owner)
            && let Some(taken) = take(context, project, store, &row).await?
        {
            let (mut host, heard, stored) = taken;
            writeln!(
                anstream::stderr(),
                "the process that carried it out has ended: going on here"
            )?;
            let resumed = host.resume(stored).await;
            resumed.map_err(|reason| anyhow::anyhow!("run {run} can't go on: {reason}"))?;
            return watch(host, view, heard).await;
        }
        view.draw(now())?;
        let pause = LOOK.max(began.elapsed() * PART);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            asked = person.asks_to_cancel() => {
                asked?;
                store.put_command(run, &CommandKind::Cancel, now()).await?;
                ring(state, &row.owner)?;
            }
        }
    }
}

/// Shows a run of a server until it has ended.
pub async fn there(server: &Server, run: &RunId, quiet: bool) -> anyhow::Result<RunState> {
    let (mut known, _) = server.run(run).await?;
    let told = (&known.run.dag, run, &known.run.params);
    let mut view = show_of(told, known.names.clone(), quiet)?;
    let mut seen = Seen::default();
    let mut person = Asker::new()?;
    let mut waits = Waits::default();
    loop {
        for news in seen.look(&known.run, &known.tasks) {
            view.take(news)?;
        }
        if known.run.state.is_finished() {
            view.end()?;
            return Ok(view.state());
        }
        if known.interrupted {
            waits.say(
                &mut view,
                "nobody carries it out: it goes on with `runner schedule` there",
            )?;
        }
        let began = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                asked = person.asks_to_cancel() => {
                    asked?;
                    let parts = ["runs", run.as_str(), "cancel"];
                    match server.send("POST", &parts, &json!({}), None).await {
                        // It has ended meanwhile.
                        Err(error) if error.is_mistake() => {}
                        answer => drop(answer?),
                    }
                }
            }
            view.draw(now())?;
            if began.elapsed() < ASK {
                continue;
            }
            match server.run(run).await {
                Ok((now, _)) => {
                    known = now;
                    waits.since = None;
                    break;
                }
                Err(error) if error.is_away() && waits.may_go_on() => {
                    waits.say(&mut view, &error.to_string())?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Who watches a run that another process carries out, and may want its end.
struct Asker {
    signals: Signals,
    has_asked: bool,
}

impl Asker {
    /// Hears ^C and SIGTERM from now on.
    fn new() -> std::io::Result<Self> {
        let signals = Signals::new()?;
        Ok(Self {
            signals,
            has_asked: false,
        })
    }

    /// Waits for the first ^C, which is to cancel the run. The second one ends this process: the
    /// run doesn't need it.
    async fn asks_to_cancel(&mut self) -> std::io::Result<()> {
        self.signals.interrupted().await;
        if self.has_asked {
            writeln!(anstream::stderr(), "no longer watching; the run is ending")?;
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        self.has_asked = true;
        writeln!(anstream::stderr(), "cancelling; ^C again stops watching")
    }
}

/// What hinders us to see a run.
#[derive(Default)]
struct Waits {
    since: Option<Instant>,
    said: String,
}

impl Waits {
    /// Whether nobody answers for so short a time that it may pass.
    fn may_go_on(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() < AWAY
    }

    /// Says it, once.
    fn say<W: Write>(&mut self, view: &mut View<W>, what: &str) -> std::io::Result<()> {
        if self.said == what {
            return Ok(());
        }
        what.clone_into(&mut self.said);
        view.note(what)
    }
}

type Taken = (
    crate::daemon::Host,
    tokio::sync::mpsc::UnboundedReceiver<News>,
    StoredRun,
);

/// Takes over the run of a process that has ended; `None` when somebody else was quicker.
async fn take(
    context: &Context,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    row: &RunRow,
) -> anyhow::Result<Option<Taken>> {
    let (host, heard) = engage::host(&context.places.state, project, store)?;
    let mut taken = store.adopt(&row.owner, host.owner(), Some(&row.id)).await?;
    Ok(taken.pop().map(|stored| (host, heard, stored)))
}

async fn row(store: &dyn RunStore, run: &RunId) -> anyhow::Result<RunRow> {
    let found = store.find_runs(run.as_str(), 1).await?;
    found
        .into_iter()
        .find(|row| row.id == *run)
        .ok_or_else(|| anyhow::anyhow!("run {run} is gone"))
}

/// Whether something was asked of the run that its process has not heard yet.
async fn is_awaited(store: &dyn RunStore, row: &RunRow) -> anyhow::Result<bool> {
    let owner: &Owner = &row.owner;
    let commands = store.commands(owner).await?;
    Ok(commands.iter().any(|command| command.run == row.id))
}

/// What has been told of a run.
#[derive(Default)]
struct Seen {
    state: Option<RunState>,
    tasks: BTreeMap<TaskRunId, (u32, u32, TaskState)>,
    /// Groups whose number of items was told, with their generation.
    groups: BTreeSet<(TaskIndex, u32)>,
}

/// The tasks that have become items: how many, and when the first of them started. They may all
/// have ended between two looks.
fn groups(tasks: &[TaskRunRow]) -> impl Iterator<Item = (&TaskRunRow, usize, Option<Timestamp>)> {
    let mut items: BTreeMap<TaskIndex, (usize, Option<Timestamp>)> = BTreeMap::new();
    for item in tasks.iter().filter(|row| row.id.item.is_some()) {
        let (count, first) = items.entry(item.id.task).or_default();
        *count += 1;
        *first = [*first, item.started].into_iter().flatten().min();
    }
    let own = tasks.iter().filter(|row| row.id.item.is_none());
    own.filter_map(move |row| {
        let known = items.get(&row.id.task);
        match (&row.state, known) {
            (TaskState::Expanded { items }, known) => {
                let started = known.and_then(|(_, started)| *started);
                Some((row, *items as usize, started.or(row.started)))
            }
            (_, Some((count, started))) => Some((row, *count, *started)),
            (_, None) => None,
        }
    })
}

impl Seen {
    /// What is new since the last look, in the order in which it happened as far as that is known.
    fn look(&mut self, row: &RunRow, tasks: &[TaskRunRow]) -> Vec<News> {
        let at = row.finished.or(row.started).unwrap_or(row.created);
        let mut news: Vec<(Timestamp, Transition)> = Vec::new();
        if self.state.is_none()
            && let Some(started) = row.started
        {
            news.push((started, run_change(row, RunState::Running, started)));
        }
        for (task, count, started) in groups(tasks) {
            if self.groups.insert((task.id.task, task.generation)) {
                let started = started.unwrap_or(at);
                let expanded = Transition::Expanded {
                    run: row.id.clone(),
                    task: task.id.task,
                    generation: task.generation,
                    // How many they are is all that is shown.
                    items: vec![Json::null(); count],
                    at: started,
                };
                news.push((started, expanded));
            }
        }
        for task in tasks {
            let now = (task.generation, task.attempts, task.state.clone());
            if self.tasks.get(&task.id) == Some(&now) {
                continue;
            }
            let before = self.tasks.insert(task.id, now);
            if let TaskState::Expanded { .. } = &task.state {
                continue;
            }
            let was_running = matches!(before, Some((_, _, TaskState::Running { .. })));
            if let (true, Some(started), false) =
                (task.state.is_finished(), task.started, was_running)
            {
                // How long it took is told by when it began.
                let running = TaskState::Running {
                    started,
                    deadline: None,
                };
                news.push((started, task_change(row, task, running, started)));
            }
            let when = when(task).unwrap_or(at);
            news.push((when, task_change(row, task, task.state.clone(), when)));
        }
        news.sort_by_key(|(at, _)| *at);
        if self.state != Some(row.state) {
            self.state = Some(row.state);
            news.push((at, run_change(row, row.state, at)));
        }
        news.into_iter()
            .map(|(_, transition)| News::Changed(transition))
            .collect()
    }
}

fn when(task: &TaskRunRow) -> Option<Timestamp> {
    match &task.state {
        TaskState::Finished { at, .. } => Some(*at),
        TaskState::Running { started, .. } => Some(*started),
        _ => task.started,
    }
}

fn run_change(row: &RunRow, state: RunState, at: Timestamp) -> Transition {
    Transition::Run {
        run: row.id.clone(),
        state,
        at,
    }
}

fn task_change(row: &RunRow, task: &TaskRunRow, state: TaskState, at: Timestamp) -> Transition {
    let ended = match (&task.result, &state) {
        (Some(result), TaskState::Finished { .. } | TaskState::RetryWait { .. }) => Some(Ended {
            number: task.attempts,
            started: task.started.unwrap_or(at),
            result: result.clone(),
        }),
        _ => None,
    };
    Transition::Task {
        run: row.id.clone(),
        task_run: task.id,
        generation: task.generation,
        attempts: task.attempts,
        budget: Budget::default(),
        fence: 0,
        state,
        ended,
        at,
    }
}

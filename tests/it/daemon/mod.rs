//! `runner schedule` as a process: what it begins, what it hears, and how it ends.

mod backfill;
mod children;
mod clocks;
mod commands;
mod downtime;
mod edits;
mod ends;
mod faults;
mod files;
mod kills;
mod late;
mod outside;
mod set_clock;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use crate::kill::project::Project;
use crate::kill::truth::state;
use crate::support::eventually::Waiting;

/// A daemon that is at work.
struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts it, and waits until it has said that it schedules.
    async fn start(project: &Project, arguments: &[&str]) -> Self {
        let said = project.said().matches("scheduling ").count();
        let words: Vec<&str> = ["schedule"].iter().chain(arguments).copied().collect();
        let child = project.start(&words);
        until("it schedules", project, async || {
            project.said().matches("scheduling ").count() > said
        })
        .await;
        Self { child }
    }

    fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(process), signal).unwrap();
    }

    /// Sends it a signal and waits for its end: the exit code, and how long it took.
    async fn end(mut self, project: &Project, signal: Signal) -> (i32, Duration) {
        let began = Instant::now();
        self.signal(signal);
        let status = project.end_of(&mut self.child).await;
        (crate::kill::project::code(status), began.elapsed())
    }
}

/// Waits until something is so.
async fn until(what: &str, project: &Project, is_so: impl AsyncFn() -> bool) {
    let waiting = Waiting::begin();
    while !is_so().await {
        let instead = format!("not within a minute: {what}\n{}", project.said());
        waiting.pause(instead).await;
    }
}

/// Waits until so many tasks are at work.
async fn until_at_work(project: &Project, tasks: i64) {
    let working = "SELECT count(*) FROM task_run WHERE state = 'running'";
    until("tasks are at work", project, async || {
        number(project, working).await == tasks
    })
    .await;
}

/// What the run state says to a query for one number; 0 while there is none.
async fn number(project: &Project, query: &str) -> i64 {
    let rows = state(project, &format!("SELECT CAST(({query}) AS TEXT)")).await;
    rows.first().map_or(0, |row| row[0].parse().unwrap())
}

//! Who is killed, and how.

use super::Scene;
use crate::engine::random::Random;
use crate::kill::machine::{postmaster, processes};
use crate::kill::project::Project;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Runner,
    Supervisor,
    Postmaster,
    Backend,
    All,
}

pub(super) const VICTIMS: [Victim; 8] = [
    Victim::Runner,
    Victim::Runner,
    Victim::Runner,
    Victim::Supervisor,
    Victim::Postmaster,
    Victim::Backend,
    Victim::All,
    Victim::All,
];

pub(super) async fn kill_all(project: &Project, runner: &mut tokio::process::Child) {
    for process in processes(project.root()) {
        process.kill();
    }
    project.end_of(runner).await;
}

/// Kills somebody; says whether it was the runner, too. `None`: there was nobody to kill.
pub(super) async fn kill(
    scene: &Scene,
    victim: Victim,
    chance: &mut Random,
    runner: &mut tokio::process::Child,
) -> Option<bool> {
    let root = scene.project.root();
    match victim {
        Victim::Runner => {
            runner.start_kill().unwrap();
            scene.project.end_of(runner).await;
            return Some(true);
        }
        Victim::All => {
            kill_all(&scene.project, runner).await;
            return Some(true);
        }
        Victim::Supervisor => {
            let found = processes(root);
            found.iter().find(|process| process.is_supervisor())?.kill();
        }
        Victim::Postmaster => postmaster(root)?.kill(),
        Victim::Backend => {
            let parent = postmaster(root)?.pid;
            let mut found = processes(root);
            found.retain(|process| process.parent == parent);
            chance.pick(&found)?.kill();
        }
    }
    Some(false)
}

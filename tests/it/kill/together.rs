//! Several programs at a time on one run state.

use std::fs;

use super::machine::processes;
use super::project::{Project, code};
use super::truth::state;
use crate::support::eventually::{eventually, so};

const FIRST: &str = r#"
dag: first
tasks:
  a: { shell: 'echo "$RUNNER_RUN_ID" >> began.txt; sleep 0.3' }
  b: { needs: a, shell: 'echo "$RUNNER_RUN_ID" >> ended.txt' }
"#;

/// Waits until it is told to go on, the first time.
const HELD: &str = r#"
dag: held
defaults: { retries: 5, retry: { delay: 1ms } }
tasks:
  a: { shell: 'echo "$RUNNER_RUN_ID" >> began.txt; test "$RUNNER_ATTEMPT" -gt 1 || test -e go || sleep 1000' }
  b: { needs: a, shell: 'echo "$RUNNER_RUN_ID" >> ended.txt' }
"#;

fn lines(project: &Project, name: &str) -> Vec<String> {
    let text = fs::read_to_string(project.root().join(name)).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

async fn all_end(project: &Project, commands: &[&[&str]]) {
    let mut children: Vec<_> = commands
        .iter()
        .map(|arguments| project.start(arguments))
        .collect();
    for child in &mut children {
        let code = code(project.end_of(child).await);
        assert_eq!(code, 0, "{}", project.said());
    }
}

#[tokio::test]
async fn runs_at_the_same_time_leave_each_other_alone() {
    let second = FIRST.replace("dag: first", "dag: second");
    let project = Project::new(&[
        ("pipelines/first.yaml", FIRST),
        ("pipelines/second.yaml", &second),
    ]);
    let commands: [&[&str]; 8] = [
        &["trigger", "first"],
        &["trigger", "second"],
        &["trigger", "first"],
        &["resume"],
        &["trigger", "second"],
        &["trigger", "first"],
        &["trigger", "first"],
        &["resume"],
    ];
    all_end(&project, &commands).await;
    let runs = state(
        &project,
        "SELECT state, count(*) || '' FROM run GROUP BY state",
    )
    .await;
    assert_eq!(runs, [["success", "6"]]);
    let tasks =
        "SELECT state, attempts || '', losses || '', count(*) || '' FROM task_run GROUP BY 1, 2, 3";
    assert_eq!(state(&project, tasks).await, [["success", "1", "0", "12"]]);
    for name in ["began.txt", "ended.txt"] {
        let found = lines(&project, name);
        assert_eq!(found.len(), 6, "{name}: {found:?}");
    }
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn one_of_many_adopts_an_interrupted_run() {
    let project = Project::new(&[("pipelines/held.yaml", HELD)]);
    for round in 1..=3 {
        let _ = fs::remove_file(project.root().join("go"));
        let mut child = project.start(&["trigger", "held"]);
        let is_asleep = || {
            let all = processes(project.root());
            all.iter()
                .any(|process| process.command.starts_with("sleep"))
        };
        eventually(async || so(is_asleep(), || "a script asleep")).await;
        child.start_kill().unwrap();
        project.end_of(&mut child).await;
        fs::write(project.root().join("go"), "").unwrap();
        let commands: [&[&str]; 4] = [
            &["trigger", "held"],
            &["resume"],
            &["resume"],
            &["trigger", "held"],
        ];
        all_end(&project, &commands).await;
        let all = 3 * round;
        let runs = state(
            &project,
            "SELECT state, count(*) || '' FROM run GROUP BY state",
        )
        .await;
        assert_eq!(runs, [["success".to_owned(), all.to_string()]]);
        let losses = state(
            &project,
            "SELECT sum(losses) || '', sum(attempts) || '' FROM task_run",
        )
        .await;
        assert_eq!(losses, [[round.to_string(), (2 * all + round).to_string()]]);
        assert_eq!(lines(&project, "ended.txt").len(), all);
        assert_eq!(lines(&project, "began.txt").len(), all + round);
    }
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
}

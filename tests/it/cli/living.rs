//! Runs that are being carried out, and runs whose process is gone.

use super::project::{Project, SLOW, assert_still, shown, wait_for_slow};

fn project() -> Project {
    Project::new(&[("pipelines/slow.yaml", SLOW)])
}

#[test]
fn a_run_is_cancelled_by_another_process() {
    let project = project();
    let running = wait_for_slow(&project, || project.spawn("trigger slow"));
    let mut text = project.transcript(&["runs", "show latest", "resume slow", "cancel slow"]);
    text.push_str(&format!("the run:\n{}", shown(&running.end())));
    text.push_str(&project.transcript(&["show latest"]));
    assert_still!("cancelled", text);
}

#[test]
fn a_task_of_a_living_run_is_marked() {
    let project = project();
    let running = wait_for_slow(&project, || project.spawn("trigger slow"));
    let said = project.stdout("mark slow wait success");
    assert!(said.starts_with("wait is success; run "), "{said}");
    assert_eq!(running.end().status.code(), Some(0));
    let text = project.transcript(&["show latest"]);
    assert_still!("marked", text);
}

#[test]
fn logs_are_followed_to_the_end() {
    let project = project();
    let running = wait_for_slow(&project, || project.spawn("trigger slow"));
    let following = project.spawn("logs slow --follow");
    project.stdout("mark slow wait success");
    let text = shown(&following.end());
    assert_eq!(running.end().status.code(), Some(0));
    assert_still!("followed", text);
}

#[test]
fn an_interrupted_run_is_finished() {
    let project = project();
    wait_for_slow(&project, || project.spawn("trigger slow")).kill();
    let text = project.transcript(&[
        "list",
        "runs --state interrupted",
        "show latest",
        "touch again",
        "resume",
        "show latest",
    ]);
    assert_still!("resumed", text);
}

#[test]
fn several_interrupted_runs_are_finished() {
    let project = project();
    wait_for_slow(&project, || project.spawn("trigger slow")).kill();
    // Another DAG: triggering the same one would take the run over.
    project.write(
        "pipelines/second.yaml",
        &SLOW.replace("dag: slow", "dag: second"),
    );
    wait_for_slow(&project, || project.spawn("trigger second")).kill();
    project.write("again", "");
    let text = project.stdout("resume");
    assert_eq!(text.matches("success").count(), 2, "{text}");
    assert!(text.starts_with("2 runs go on\n"), "{text}");
}

#[test]
fn an_interrupted_run_is_cancelled() {
    let project = project();
    wait_for_slow(&project, || project.spawn("trigger slow")).kill();
    assert_still!(
        "interrupted_cancelled",
        project.transcript(&["cancel slow", "show latest"])
    );
}

#[test]
fn a_run_whose_definition_is_unreadable_can_still_be_cancelled() {
    let with_connection = SLOW.replace(
        "  after:",
        "  load: { needs: wait, sql: { connection: there, script: select 1 } }\n  after:",
    );
    let project = Project::new(&[
        ("runner.yaml", "connections: { there: { sqlite: a.db } }\n"),
        ("pipelines/slow.yaml", &with_connection),
    ]);
    wait_for_slow(&project, || project.spawn("trigger slow")).kill();
    project.write("runner.yaml", "connections: {}\n");
    let text = project.transcript(&["resume slow", "cancel slow", "show latest"]);
    assert_still!("unreadable", text);
}

#[test]
fn marking_a_task_of_an_interrupted_run_lets_it_go_on() {
    let project = project();
    wait_for_slow(&project, || project.spawn("trigger slow")).kill();
    let text = project.transcript(&["mark slow wait success", "runs"]);
    assert_still!("interrupted_marked", text);
}

//! Killed before and after every write of a run that fails: people are told of it.

use std::collections::BTreeSet;

use runner::failpoint::Point;

use super::project::{Project, code};
use crate::notify::Server;

const WORK: &str = "dag: work\ntasks: { a: { shell: \"false\" } }\n";

/// Kills a run at the n-th passage of a point. `false`: it doesn't pass the point so often.
async fn kill(point: Point, passage: usize) -> bool {
    let server = Server::start(&[200]).await;
    let settings = format!(
        "connections: {{ ops: {{ webhook: \"{}\" }} }}\nnotifications: {{ failure: ops }}\n",
        server.url
    );
    let project = Project::new(&[("runner.yaml", &settings), ("pipelines/work.yaml", WORK)]);
    let mut command = project.command(&["trigger", "work"]);
    command.env("RUNNER_FAILPOINT", format!("{}:{passage}", point.name()));
    let ended = code(project.end_of(&mut command.spawn().unwrap()).await);
    assert!(ended == 3 || ended == 137, "{ended}: {}", project.said());
    let before = server.requests().len();
    project.run(&["resume"]).await;
    let requests = server.requests();
    let keys: BTreeSet<_> = requests
        .iter()
        .map(|request| request.header("idempotency-key").unwrap().to_owned())
        .collect();
    let runs = super::truth::state(&project, "SELECT id, state FROM run").await;
    let at = format!("{point:?} {passage}: {before} then {}", requests.len());
    assert!(runs.iter().all(|run| run[1] == "failed"), "{at}: {runs:?}");
    assert_eq!(keys.len(), runs.len(), "{at}");
    assert!(requests.len() <= 2 * runs.len(), "{at}");
    let left = super::truth::state(&project, "SELECT run FROM notice").await;
    assert!(left.is_empty(), "{at}: {left:?}");
    ended == 137
}

#[tokio::test]
async fn a_failure_is_told_whenever_the_process_is_killed() {
    for point in [Point::BeforeStoreWrite, Point::AfterStoreWrite] {
        let mut kills = 0;
        while kill(point, kills + 1).await {
            kills += 1;
        }
        // The run, its task and its end, and the three writes of the message; some come together.
        assert!(kills >= 5, "{point:?}: {kills}");
    }
}

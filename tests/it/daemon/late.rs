//! A run that isn't over in time is told of, once.

use nix::sys::signal::Signal;

use super::{Daemon, until};
use crate::kill::project::Project;
use crate::notify::Server;

const SLOW: &str = "dag: slow\nschedule: { every: 1s, overlap: skip }\ndeadline: 500ms\ntasks: { a: { shell: sleep 60 } }\n";

#[tokio::test]
async fn who_is_late_is_told_of_while_it_runs() {
    let server = Server::start(&[200]).await;
    let settings = format!(
        "connections: {{ ops: {{ webhook: \"{}\" }} }}\nnotifications: {{ deadline: ops }}\n",
        server.url
    );
    let project = Project::new(&[("runner.yaml", &settings), ("pipelines/slow.yaml", SLOW)]);
    let daemon = Daemon::start(&project, &["--grace", "0s"]).await;
    until("it is told", &project, async || {
        !server.requests().is_empty()
    })
    .await;
    daemon.end(&project, Signal::SIGTERM).await;
    let requests = server.requests();
    let text = requests[0].body["text"].as_str().unwrap();
    assert!(
        text.starts_with("*slow is late*\nIt should have ended by "),
        "{text}"
    );
    assert!(text.contains(", and is at `a`\nRun "), "{text}");
    assert_eq!(requests.len(), 1, "{requests:?}");
}

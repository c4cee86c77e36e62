//! What people read, command after command.

use super::project::{ETL, Project, ROWS, assert_still, rows_csv};

/// A pipeline whose tasks say something, one after the other.
const TALK: &str = r#"
dag: talk
tasks:
  hello: { shell: "echo hello" }
  aside: { needs: hello, shell: "echo careful >&2" }
  items:
    needs: aside
    foreach: [a, b]
    concurrency: 1
    shell: { script: echo "item $ITEM", env: { ITEM: "{{ item }}" } }
  quiet: { needs: items, shell: "true" }
  broken:
    needs: quiet
    retry: { attempts: 2, delay: 1ms, jitter: 0 }
    shell: echo "no luck" >&2; exit 1
  last: { needs: broken, shell: "true" }
"#;

/// Types the lines in a project of the files and compares what is printed.
fn check(name: &str, files: &[(&str, &str)], lines: &[&str]) {
    let project = Project::new(files);
    assert_still!(name, project.transcript(lines));
}

#[test]
fn lists() {
    let broken = "dag: broken\ntasks: { a: { shel: x } }\n";
    let small = "dag: small\ntasks: { a: { shell: \"true\" } }\n";
    check(
        "lists",
        &[
            ("pipelines/etl.yaml", ETL),
            ("pipelines/small.yaml", small),
            ("pipelines/broken.yaml", broken),
        ],
        &[
            "list",
            "runs",
            "trigger small -q",
            "trigger etl -q",
            "list",
            "list --tag daily",
            "runs",
            "runs etl",
            "runs --state success,running",
            "runs --limit 1",
            "runs --before latest --format json",
            "runs --state interrupted",
        ],
    );
}

#[test]
fn a_dag() {
    check(
        "a_dag",
        &[("pipelines/etl.yaml", ETL)],
        &["show etl", "show etl --format json"],
    );
}

#[test]
fn a_run() {
    check(
        "a_run",
        &[("pipelines/etl.yaml", ETL)],
        &[
            "trigger etl -q",
            "show latest",
            "show latest --items",
            "show latest --format json",
        ],
    );
}

#[test]
fn logs() {
    check(
        "logs",
        &[("pipelines/talk.yaml", TALK)],
        &[
            "trigger talk -q",
            "logs talk",
            "logs latest --follow",
            "logs talk broken --attempt 1",
            "logs talk --tail 1",
            "logs talk items --item 1",
            "logs talk aside --format json",
            "logs talk last",
            "logs talk broken --attempt 7",
            "logs talk items --item 2",
            "trigger talk --only quiet -q",
            "logs talk",
        ],
    );
}

#[test]
fn mending() {
    check(
        "mending",
        &[("pipelines/etl.yaml", ETL)],
        &[
            "trigger etl -q",
            "mark etl other failed",
            "mark etl broken success",
            "mark etl other success",
            "retry etl prepare -q",
            "touch mended",
            "retry etl -q",
            "mark etl each success",
            "retry etl",
            "retry etl last",
            "cancel etl",
            "resume etl",
            "resume",
            "trigger etl --only prepare -q",
            "retry etl load_a",
        ],
    );
}

#[test]
fn a_part_of_an_id_is_enough_when_it_is_unique() {
    let project = Project::new(&[("pipelines/etl.yaml", ETL)]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        project.stdout("trigger etl --only prepare -q");
        let runs = project.stdout("runs --limit 1 --format json");
        let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
        ids.push(runs[0]["id"].as_str().unwrap().to_owned());
    }
    let same = std::iter::zip(ids[0].chars(), ids[1].chars()).take_while(|(a, b)| a == b);
    let (common, unique) = ids[0].split_at(same.count());
    let text = project.transcript(&[&format!("cancel {common}"), &format!("cancel {unique}")]);
    let text = text
        .replace(&format!("cancel {common}\n"), "cancel [common part]\n")
        .replace(&format!("`{common}`"), "`[common part]`")
        .replace(&format!("cancel {unique}\n"), "cancel [unique part]\n");
    assert_still!("parts", text);
}

#[test]
fn rows() {
    let rows = rows_csv();
    check(
        "rows",
        &[("pipelines/rows.yaml", ROWS), ("in.csv", &rows)],
        &[
            "trigger rows -q",
            "data rows read",
            "data rows read --limit 0",
            "data rows read --limit 3 --format csv",
            "data latest read --limit 3 --format json",
            "data rows none",
            "data rows read --item 0",
        ],
    );
}

#[test]
fn mistakes() {
    check(
        "mistakes",
        &[("pipelines/etl.yaml", ETL)],
        &[
            "show latest",
            "logs etl",
            "show elt",
            "runs elt",
            "trigger etl --only prepare -q",
            "trigger etl --only prepare -q",
            "logs etl prepair",
            "mark etl prepare done",
            "db",
            "db warehouse",
            "-C pipelines/nowhere list",
        ],
    );
}

#[test]
fn a_new_project() {
    check(
        "a_new_project",
        &[],
        &[
            "list",
            "init",
            "check",
            "trigger hello -q",
            "show latest",
            "data hello by_country",
            "show hello",
            "init",
        ],
    );
}

#[test]
fn a_new_project_elsewhere_keeps_what_is_there() {
    let project = Project::new(&[("shop/.gitignore", "mine\n")]);
    assert_still!(
        "elsewhere",
        project.transcript(&["init shop", "-C shop check"])
    );
    let kept = std::fs::read_to_string(project.path().join("shop/.gitignore")).unwrap();
    assert_eq!(kept, "mine\n");
}

#[test]
fn a_dag_of_a_thousand_tasks() {
    let mut yaml = "dag: large\ntasks:\n  start: {}\n".to_owned();
    for at in 0..1000 {
        yaml.push_str(&format!("  item_{at:03}: {{ needs: start }}\n"));
    }
    yaml.push_str("  end_000: { needs: item_999 }\n");
    for at in 1..50 {
        yaml.push_str(&format!("  end_{at:03}: {{ needs: end_{:03} }}\n", at - 1));
    }
    check(
        "a_dag_of_a_thousand_tasks",
        &[("pipelines/large.yaml", &yaml)],
        &["show large"],
    );
}

//! What a run has left: pictures, rows that break rules, and what was really executed.

use super::pages::{carry_out, get, text};
use super::{Ask, Site};

const FILES: &[(&str, &str)] = &[
    (
        "runner.yaml",
        "editor: \"vscode://file{path}:{line}\"\npools: { heavy: 3 }\n\
         connections:\n  results: { sqlite: results.db }\n",
    ),
    (
        "pipelines/quality.yaml",
        "dag: quality\nschedule: \"@daily\"\nparams: { day: 2026-08-20 }\ntasks:\n  \
         load:\n    pool: heavy\n    writes: visits\n    sql:\n      connection: results\n      script: |\n        \
         create table visits (day text, amount integer);\n        \
         insert into visits values (:day, 3), ('2026-08-19', -1);\n        \
         select day, amount from visits\n  \
         draw:\n    needs: load\n    plot: { from: { dataset: load }, to: visits.svg, bar: { x: day, y: amount } }\n  \
         rules:\n    needs: load\n    check:\n      connection: results\n      table: visits\n      \
         rules: [{ range: { columns: amount, min: 0 } }]\n",
    ),
    (
        "pipelines/report.yaml",
        "dag: report\nafter: [quality, visits]\ntasks:\n  tell: { shell: \"true\" }\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_shows_what_it_has_left() {
    let site = Site::of(FILES, true).await;
    let run = format!("/runs/{}", carry_out(&site, "quality").await);
    for (path, expected) in [
        (
            run.clone(),
            &["picture", "Outputs", "load first", "One task…"][..],
        ),
        (
            format!("{run}/tasks/load"),
            &["SQL on results", "$1 :day", "2026-08-20", "values ($1, 3)"],
        ),
        (format!("{run}/tasks/draw"), &["Picture"]),
        (
            format!("{run}/tasks/rules"),
            &["the rows that break its rules", "checked.\"amount\""],
        ),
        (
            format!("{run}/tasks/rules/data"),
            &["range amount", "error", "2026-08-19 -1", "1 row,"],
        ),
        (
            format!("{run}/tasks/load/data"),
            &["amount number", "2 rows,"],
        ),
        (
            "/dags/quality".to_owned(),
            &[
                "schedule every day",
                "then report",
                "visits → report",
                "copy path",
                "open",
            ],
        ),
        (
            "/dags/report".to_owned(),
            &["after quality", "dataset visits"],
        ),
        (
            "/connections".to_owned(),
            &["heavy 0 of 3", "nobody", "quality.load"],
        ),
        ("/about".to_owned(), &["/schema/pipeline.json"]),
    ] {
        let reply = get(&site, &path).await;
        let told = text(&reply.body).replace("&quot;", "\"");
        assert_eq!(reply.status, 200, "{path}: {told}");
        for words in expected {
            assert!(told.contains(words), "{path} doesn't say {words}: {told}");
        }
    }
    let picture = get(&site, &format!("{run}/tasks/draw/picture")).await;
    assert!(picture.body.starts_with("<svg"), "{}", picture.body);
    let none = get(&site, &format!("{run}/tasks/load/picture")).await;
    assert_eq!(none.status, 404);
    let path = format!("/api/v1{run}/tasks/load/rendered");
    let reply = Ask::new("GET", &path).send(&site).await;
    let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    let values = &json["rendered"][1]["values"];
    assert_eq!(values[0]["name"], "$1 :day", "{json}");
    assert_eq!(values[0]["value"], "2026-08-20");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_s_link_opens_the_reader_s_editor() {
    let site = Site::of(FILES, true).await;
    let page = get(&site, "/dags/quality").await;
    let root = site.folder.path().display();
    let link = format!("vscode://file{root}/pipelines/quality.yaml:1");
    assert!(
        page.body.replace("&#x2f;", "/").contains(&link),
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn editors_get_the_schema_without_signing_in() {
    let site = Site::of(FILES, false).await;
    for (file, status) in [
        ("pipeline.json", 200),
        ("project.json", 200),
        ("other.json", 404),
    ] {
        let reply = Ask::new("GET", &format!("/schema/{file}"))
            .send(&site)
            .await;
        assert_eq!(reply.status, status, "{file}");
    }
}

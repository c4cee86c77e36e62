//! Hundreds of files, which several threads read, say what one thread would.

use runner::spec::render_text;

use super::case::Case;

#[test]
fn what_many_threads_find_is_in_the_order_of_the_files_and_each_once() {
    let mut files = vec![
        (
            "runner.yaml".to_owned(),
            "connections: { db: { sqlite: data.db } }\n".to_owned(),
        ),
        (
            "sql/shared.sql".to_owned(),
            "SELECT {{ params.nope }};\n".to_owned(),
        ),
    ];
    for number in 0..400 {
        let path = format!("pipelines/d{number:03}.yaml");
        // Two files in four share a mistake, one has its own, and one has none; two are one DAG.
        let text = match number % 4 {
            0 => format!("dag: d{number}\ntasks: {{ a: {{ needs: nothing }} }}\n"),
            1 if number == 201 => "dag: d1\ntasks: { a: {} }\n".to_owned(),
            1 => format!("dag: d{number}\ntasks: {{ a: {{}} }}\n"),
            _ => format!(
                "dag: d{number}\ntasks: {{ a: {{ sql: {{ connection: db, file: sql/shared.sql }} }} }}\n"
            ),
        };
        files.push((path, text));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_bytes()))
        .collect();
    let loaded = Case::of(&files).load();
    let places: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|found| {
            let source = loaded.sources.get(found.primary.span.source);
            source.path.display().to_string()
        })
        .collect();
    // The shared file is first read with d002.
    let mut expected: Vec<String> = (0..400)
        .filter(|number| number % 4 == 0 || *number == 201)
        .map(|number| format!("pipelines/d{number:03}.yaml"))
        .collect();
    expected.insert(1, "sql/shared.sql".to_owned());
    assert_eq!(places, expected);
    let text = render_text(&loaded.diagnostics, &loaded.sources, false);
    assert!(text.contains("two files are DAG `d1`"), "{text}");
    assert!(text.contains("pipelines/d001.yaml"), "{text}");
    assert_eq!(loaded.broken.len(), 100 + 200 + 1);
    let project = loaded.project.unwrap();
    assert_eq!(project.pipelines.len(), 400 - 301);
    assert_eq!(
        loaded
            .sources
            .iter()
            .filter(|(_, source)| source.path.starts_with("pipelines"))
            .count(),
        400
    );
}

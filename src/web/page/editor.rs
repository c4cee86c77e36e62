//! Where a file is, and how to open it: the editor is the reader's own.

use serde::Serialize;

use super::template::{Markup, render};
use crate::web::App;

/// A file of the project, as a link.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FileLink {
    /// Within the project.
    path: String,
    line: usize,
    /// Its whole path on the server, to be copied.
    whole: String,
    /// What opens it, when `editor` of runner.yaml says how.
    editor: Option<String>,
}

/// A line of a file within the project.
pub(super) fn link(app: &App, path: &str, line: usize) -> FileLink {
    let root = &app.places.root;
    let root = std::path::absolute(root).unwrap_or_else(|_| root.clone());
    let whole = root.join(path).display().to_string();
    let snapshot = app.snapshot();
    let project = snapshot.project.as_ref();
    let editor = project.and_then(|project| project.settings.editor.as_deref());
    FileLink {
        path: path.to_owned(),
        line,
        editor: editor.map(|url| {
            let url = url.replace("{path}", &encoded(&whole));
            url.replace("{line}", &line.to_string())
        }),
        whole,
    }
}

/// A path in a URL.
fn encoded(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(super::view::encoded).collect();
    parts.join("/")
}

/// The link to a file: to the page `source`, into the editor, and its path to be copied, which tells
/// viewers nothing.
pub(super) fn show(file: &FileLink, source: String, may_run: bool) -> Markup {
    #[derive(Serialize)]
    struct View<'a> {
        file: &'a FileLink,
        source: String,
        may_run: bool,
    }
    let view = View {
        file,
        source,
        may_run,
    };
    render("file.html", &view)
}

//! The variables in `.env`, beside runner.yaml.

use std::path::Path;

use super::files::{Files, Origin};
use crate::document::{Diagnostic, Report, Span};
use crate::secret::Environment;

/// The environment with the variables of `.env`: those that it has itself win.
pub(super) fn with_dotenv(
    mut environment: Environment,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Environment {
    let path = Path::new(".env");
    let Origin::Disk(root) = files.origin else {
        return environment;
    };
    if !root.join(path).is_file() {
        return environment;
    }
    let text = match files.read(path) {
        Ok((_, text)) => text,
        Err(reason) => {
            let source = files.sources.add(path, "");
            report.push(Diagnostic::error(
                "unreadable-file",
                format!("`.env` can't be read: {reason}"),
                Span::new(source, 0..0),
            ));
            return environment;
        }
    };
    if let Err((line, message)) = environment.add_dotenv(&text) {
        // It may hold secrets: its lines are shown without what may be one.
        let shown: String = text.split_inclusive('\n').map(masked).collect();
        let mut lines = shown.split_inclusive('\n');
        let start: usize = lines.by_ref().take(line - 1).map(str::len).sum();
        let length = lines.next().unwrap_or_default().trim_end().len();
        let source = files.sources.add(path, shown);
        report.push(
            Diagnostic::error(
                "invalid-dotenv",
                message,
                Span::new(source, start..start + length),
            )
            .help("each line is `NAME=value`, a `# comment` or empty; what may be a secret isn't shown"),
        );
    }
    environment
}

/// A line of `.env` without its value.
fn masked(line: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ');
    match line.split_once('=') {
        Some((name, _)) if name.chars().all(word) => format!("{name}=…\n"),
        _ if line.trim_start().starts_with('#') || line.trim().is_empty() => line.to_owned(),
        _ => match line.trim_start().strip_prefix("export ") {
            Some(_) => "export …\n".to_owned(),
            None => "…\n".to_owned(),
        },
    }
}

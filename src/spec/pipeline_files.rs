//! The files of pipelines: which there are, and all of them read.

use std::path::{Path, PathBuf};

use super::files::Files;
use super::project::{PIPELINES_FOLDER, SETTINGS_FILE};
use super::read_pipeline::{Context, ReadPipeline, read_pipeline};
use crate::document::{Report, Sources};

/// So many files are worth another thread.
const FILES_OF_A_THREAD: usize = 64;

/// Reads the pipelines' files, many of them by several threads. What is found is the same as by one,
/// and in the same order.
pub(super) fn read_all(
    paths: &[PathBuf],
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Vec<ReadPipeline> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (paths.len() / FILES_OF_A_THREAD).clamp(1, cores.min(Sources::MOST_BRANCHES - 1));
    if threads == 1 {
        let read = |path: &PathBuf| read_pipeline(path, files, context, report);
        return paths.iter().map(read).collect();
    }
    // Every thread's first look at the project's file finds it read.
    let _ = files.read(Path::new(SETTINGS_FILE));
    let parts: Vec<&[PathBuf]> = paths.chunks(paths.len().div_ceil(threads)).collect();
    let read_part = |paths: &[PathBuf], mut files: Files<'_>| {
        let mut report = Report::default();
        let read = |path: &PathBuf| read_pipeline(path, &mut files, context, &mut report);
        let all: Vec<ReadPipeline> = paths.iter().map(read).collect();
        (all, files.sources, report)
    };
    let read_part = &read_part;
    let done = std::thread::scope(|scope| {
        let own = files.branch(1);
        let others: Vec<_> = (2..)
            .zip(&parts[1..])
            .map(|(number, part)| {
                let files = files.branch(number);
                scope.spawn(move || read_part(part, files))
            })
            .collect();
        let mut done = vec![read_part(parts[0], own)];
        for other in others {
            match other.join() {
                Ok(part) => done.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    let mut all = Vec::with_capacity(paths.len());
    for (read, sources, found) in done {
        all.extend(read);
        files.sources.join(sources);
        for diagnostic in found.into_diagnostics() {
            report.push(diagnostic);
        }
    }
    files.sources.match_branches();
    all
}

/// Every YAML file below `pipelines/`, sorted.
pub(super) fn pipeline_paths(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(PIPELINES_FOLDER)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = folder.join(entry.file_name());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !hidden => folders.push(path),
                Ok(_) if is_yaml(&path) && !hidden => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

pub(super) fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

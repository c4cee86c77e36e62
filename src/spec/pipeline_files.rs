//! The files of pipelines: which there are, and all of them read.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::Files;
use super::project::{PIPELINES_FOLDER, SETTINGS_FILE};
use super::read_pipeline::{Context, ReadPipeline, read_pipeline};
use crate::document::{Report, Sources};

/// So many files are worth another thread.
const FILES_OF_A_THREAD: usize = 64;
/// Parts that each thread reads, so that none waits long for another at the end.
const PARTS_OF_A_THREAD: usize = 4;

/// Files in a row, read by one thread.
struct Part {
    read: Vec<ReadPipeline>,
    sources: Sources,
    report: Report,
}

/// Reads the pipelines' files, many of them by several threads. What is found is the same as by one,
/// and in the same order.
pub(super) fn read_all(
    paths: &[PathBuf],
    files: &mut Files<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Vec<ReadPipeline> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (paths.len() / FILES_OF_A_THREAD).clamp(1, cores);
    if threads == 1 {
        let read = |path: &PathBuf| read_pipeline(path, files, context, report);
        return paths.iter().map(read).collect();
    }
    // Every part's first look at the project's file finds it read.
    let _ = files.read(Path::new(SETTINGS_FILE));
    let count = (threads * PARTS_OF_A_THREAD).min(Sources::MOST_BRANCHES - 1);
    let parts: Vec<(&[PathBuf], OnceLock<Part>)> = paths
        .chunks(paths.len().div_ceil(count))
        .map(|paths| (paths, OnceLock::new()))
        .collect();
    let next = AtomicUsize::new(0);
    let read_parts = || {
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some((paths, done)) = parts.get(number)
        {
            done.get_or_init(|| read_part(paths, files.branch(number + 1), context));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(read_parts);
        }
        read_parts();
    });
    let mut all = Vec::with_capacity(paths.len());
    for part in parts.into_iter().filter_map(|(_, done)| done.into_inner()) {
        all.extend(part.read);
        files.sources.join(part.sources);
        for diagnostic in part.report.into_diagnostics() {
            report.push(diagnostic);
        }
    }
    files.sources.match_branches();
    all
}

fn read_part(paths: &[PathBuf], mut files: Files<'_>, context: &Context<'_>) -> Part {
    let mut report = Report::default();
    let read = |path: &PathBuf| read_pipeline(path, &mut files, context, &mut report);
    Part {
        read: paths.iter().map(read).collect(),
        sources: files.sources,
        report,
    }
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

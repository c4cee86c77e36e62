//! Draws a chart and makes its files.

use std::io::Write as _;
use std::path::Path;

use super::place::{PictureFormat, Place};
use crate::data::DataError;
use crate::picture::{Chart, to_png, to_svg, unknown_letters};
use crate::task::log::picture_path;
use crate::task::{AttemptContext, TaskFailure};

/// Bytes of a picture that is kept.
const LARGEST: usize = 4 << 20;

/// A file that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) shown: String,
    pub(super) bytes: u64,
}

/// Draws the chart, on a thread that may take its time.
pub(super) async fn draw(
    chart: Chart,
    scale: u32,
    to: Vec<Place>,
    attempt: &AttemptContext,
) -> Result<Vec<Made>, TaskFailure> {
    warn_of_letters(&chart, attempt);
    let kept = attempt
        .places
        .state
        .join(picture_path(&attempt.id, &attempt.task));
    let drawn = tokio::task::spawn_blocking(move || {
        let svg = to_svg(&chart);
        keep(&kept, &svg);
        let needs_png = to.iter().any(|place| place.format == PictureFormat::Png);
        let png = if needs_png {
            to_png(&svg, scale)?
        } else {
            Vec::new()
        };
        to.into_iter()
            .map(|place| {
                let bytes = match place.format {
                    PictureFormat::Png => png.as_slice(),
                    PictureFormat::Svg => svg.as_bytes(),
                };
                let path = Path::new(&place.path);
                let mut file = place.store.create(path)?;
                file.write_all(bytes)
                    .map_err(|error| DataError::file(path, error))?;
                file.finish()?;
                Ok(Made {
                    shown: place.shown,
                    bytes: bytes.len() as u64,
                })
            })
            .collect()
    });
    let made: Result<Vec<Made>, TaskFailure> = drawn
        .await
        .map_err(|error| TaskFailure::retryable(error.to_string()))?;
    for made in made.as_deref().unwrap_or_default() {
        attempt
            .log
            .info(format!("drew `{}` ({} bytes)", made.shown, made.bytes));
    }
    made
}

/// Keeps the picture. That it can't be kept is no reason to fail: the pipeline's own files count.
fn keep(path: &Path, svg: &str) {
    if svg.len() > LARGEST {
        return;
    }
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let partial = path.with_extension("svg.partial");
    let written = folder
        .and_then(|()| std::fs::write(&partial, svg))
        .and_then(|()| std::fs::rename(&partial, path));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "a picture can't be kept");
    }
}

fn warn_of_letters(chart: &Chart, attempt: &AttemptContext) {
    let labels = [&chart.x.label, &chart.left.label, &chart.right.label];
    let texts = [&chart.title, &chart.subtitle].into_iter().chain(labels);
    let mut all: String = texts.flatten().map(String::as_str).collect();
    for series in &chart.series {
        all.push_str(&series.name);
    }
    let unknown: String = unknown_letters(&all).into_iter().collect();
    if !unknown.is_empty() {
        attempt.log.warn(format!(
            "the font has no letters for `{unknown}`: they are drawn as boxes"
        ));
    }
}

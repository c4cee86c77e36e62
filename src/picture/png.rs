//! The SVG as PNG.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// A picture that can't be made.
#[derive(Debug, thiserror::Error)]
#[error("the picture can't be drawn: {message}")]
pub struct PictureError {
    message: String,
}

impl PictureError {
    fn new(message: &dyn std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
        }
    }
}

/// Draws an SVG with `scale` pixels for each of its own in both directions.
///
/// # Errors
/// The picture is too large for the memory.
pub fn to_png(svg: &str, scale: u32) -> Result<Vec<u8>, PictureError> {
    let tree =
        Tree::from_str(svg, &Options::default()).map_err(|error| PictureError::new(&error))?;
    let size = tree.size().to_int_size();
    let pixels = |length: u32| length.checked_mul(scale);
    let pixmap = pixels(size.width()).zip(pixels(size.height()));
    let mut pixmap = pixmap
        .and_then(|(width, height)| Pixmap::new(width, height))
        .ok_or_else(|| PictureError::new(&"it has too many pixels"))?;
    #[expect(clippy::cast_precision_loss, reason = "a scale is a small number")]
    let scale = scale as f32;
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixmap.as_mut(),
    );
    pixmap
        .encode_png()
        .map_err(|error| PictureError::new(&error))
}

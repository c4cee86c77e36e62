//! The letters of pictures: widths and outlines from the fonts in the binary.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::svg::short;

/// How thick letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

/// A letter of a font.
pub(super) type Glyph = (Weight, u16);

static REGULAR: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| face(include_bytes!("../../assets/fonts/Inter-Regular.otf")));
static SEMI_BOLD: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| face(include_bytes!("../../assets/fonts/Inter-SemiBold.otf")));

fn face(bytes: &'static [u8]) -> Option<Face<'static>> {
    Face::parse(bytes, 0).ok()
}

fn font(weight: Weight) -> Option<&'static Face<'static>> {
    match weight {
        Weight::Regular => REGULAR.as_ref(),
        Weight::SemiBold => SEMI_BOLD.as_ref(),
    }
}

/// The letters of a text and how far each moves on, in units of the letters' size.
pub(super) fn letters(text: &str, weight: Weight) -> impl Iterator<Item = (Glyph, f64)> {
    let face = font(weight);
    text.chars().map(move |letter| {
        let glyph = face.and_then(|face| face.glyph_index(letter));
        let glyph = glyph.unwrap_or_default();
        let advance = face.and_then(|face| {
            let advance = face.glyph_hor_advance(glyph)?;
            Some(f64::from(advance) / f64::from(face.units_per_em()))
        });
        ((weight, glyph.0), advance.unwrap_or(0.6))
    })
}

/// How wide a text is, at a size in pixels.
pub(super) fn width(text: &str, weight: Weight, size: f64) -> f64 {
    letters(text, weight)
        .map(|(_, advance)| advance)
        .sum::<f64>()
        * size
}

/// The outline of a letter at a size of 1000, as the data of an SVG path, `y` downwards.
pub(super) fn outline((weight, glyph): Glyph) -> String {
    let mut outline = Outline::default();
    if let Some(face) = font(weight) {
        outline.scale = 1000.0 / f32::from(face.units_per_em());
        face.outline_glyph(GlyphId(glyph), &mut outline);
    }
    outline.path
}

/// The letters of a text that the fonts don't have, each once: they are drawn as empty boxes.
#[must_use]
pub fn unknown_letters(text: &str) -> Vec<char> {
    let mut unknown: Vec<char> = text
        .chars()
        .filter(|letter| {
            let face = font(Weight::Regular);
            !letter.is_control() && face.is_none_or(|face| face.glyph_index(*letter).is_none())
        })
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

#[derive(Default)]
struct Outline {
    path: String,
    scale: f32,
}

impl Outline {
    fn add(&mut self, command: char, coordinates: &[(f32, f32)]) {
        self.path.push(command);
        for (index, (x, y)) in coordinates.iter().enumerate() {
            if index > 0 {
                self.path.push(' ');
            }
            let place = |value: f32| short(f64::from((value * self.scale).round()));
            let pair = format!("{} {}", place(*x), place(-y));
            self.path.push_str(&pair);
        }
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add('M', &[(x, y)]);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.add('L', &[(x, y)]);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add('Q', &[(x1, y1), (x, y)]);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.add('C', &[(x1, y1), (x2, y2), (x, y)]);
    }
    fn close(&mut self) {
        self.path.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_have_what_labels_need() {
        let text = "Price (USD) €£¥ 0123456789 −+×·…≥≤⁻⁰¹²³⁴⁵⁶⁷⁸⁹ µ ß é Ł Ω Ж □";
        assert_eq!(unknown_letters(text), ['□']);
        assert_eq!(unknown_letters("a漢字漢"), ['字', '漢']);
    }

    #[test]
    fn letters_have_widths_and_outlines() {
        let (thin, thick) = (Weight::Regular, Weight::SemiBold);
        assert!(width("i", thin, 10.0) < width("m", thin, 10.0));
        assert!(width("Title", thin, 10.0) < width("Title", thick, 10.0));
        assert!((width("ab", thin, 20.0) - 2.0 * width("ab", thin, 10.0)).abs() < 1e-9);
        let (glyph, _) = letters("l", thin).next().unwrap();
        assert!(outline(glyph).starts_with('M') && outline(glyph).ends_with('Z'));
    }
}

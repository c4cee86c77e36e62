//! SVG, piece by piece. Text is drawn by outlines that are defined once, so that a picture needs no
//! font where it is looked at.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::font::{self, Glyph, Weight};

/// A growing document.
#[derive(Default)]
pub(super) struct Svg {
    body: String,
    glyphs: BTreeSet<Glyph>,
}

/// How a text stands to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What all letters of a text have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) colour: &'static str,
}

impl Style {
    pub(super) fn width(&self, text: &str) -> f64 {
        font::width(text, self.weight, self.size)
    }

    /// The text, cut to a width with `…` at its end.
    pub(super) fn fit(&self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let room = width - self.width("…");
        let mut used = 0.0;
        let mut cut = String::new();
        for letter in text.chars() {
            let mut bytes = [0; 4];
            used += self.width(letter.encode_utf8(&mut bytes));
            if used > room {
                break;
            }
            cut.push(letter);
        }
        format!("{}…", cut.trim_end())
    }
}

impl Svg {
    /// Adds an element as it is written.
    pub(super) fn raw(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    pub(super) fn rectangle(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: &str,
    ) {
        self.raw(&format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" fill="{fill}"/>"#,
            short(x),
            short(y),
            short(width),
            short(height)
        ));
    }

    /// Lines of one colour, as the data of a path.
    pub(super) fn lines(&mut self, path: &str, colour: &str, width: f64) {
        if !path.is_empty() {
            self.raw(&format!(
                r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="{}"/>"#,
                short(width)
            ));
        }
    }

    /// A text whose baseline goes through a place, turned by some degrees around it.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        anchor: Anchor,
        style: Style,
        turned: f64,
    ) {
        if text.trim().is_empty() {
            return;
        }
        let width = style.width(text);
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let mut place = format!("translate({} {})", short(x), short(y));
        if turned != 0.0 {
            let _ = write!(place, " rotate({})", short(turned));
        }
        let scale = style.size / 1000.0;
        if start != 0.0 {
            let _ = write!(place, " translate({} 0)", short(start));
        }
        let _ = write!(
            self.body,
            r#"<g role="text" aria-label="{}" fill="{}" transform="{place} scale({})">"#,
            escaped(text),
            style.colour,
            precise(scale)
        );
        let mut at = 0.0;
        for (glyph, advance) in font::letters(text, style.weight) {
            if self.glyphs.contains(&glyph) || !font::outline(glyph).is_empty() {
                self.glyphs.insert(glyph);
                let _ = write!(
                    self.body,
                    r##"<use xlink:href="#{}" x="{}"/>"##,
                    name(glyph),
                    short(at)
                );
            }
            at += advance * 1000.0;
        }
        self.raw("</g>");
    }

    /// The whole document.
    pub(super) fn finish(self, width: u32, height: u32, title: &str, description: &str) -> String {
        let mut document = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n"
        );
        let _ = writeln!(document, "<title>{}</title>", escaped(title));
        let _ = writeln!(document, "<desc>{}</desc>", escaped(description));
        document.push_str("<defs>\n");
        for glyph in self.glyphs {
            let _ = writeln!(
                document,
                r#"<path id="{}" d="{}"/>"#,
                name(glyph),
                font::outline(glyph)
            );
        }
        document.push_str("</defs>\n");
        document.push_str(&self.body);
        document.push_str("</svg>\n");
        document
    }
}

fn name((weight, glyph): Glyph) -> String {
    match weight {
        Weight::Regular => format!("r{glyph}"),
        Weight::SemiBold => format!("b{glyph}"),
    }
}

/// A text between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no place for them.
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A coordinate, to a hundredth of a pixel.
pub(super) fn short(value: f64) -> String {
    trimmed(format!("{value:.2}"))
}

fn precise(value: f64) -> String {
    trimmed(format!("{value:.5}"))
}

fn trimmed(mut text: String) -> String {
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if text == "-0" {
        text.remove(0);
    }
    text
}

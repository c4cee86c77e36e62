//! Which colour is which series.

use super::chart::{Chart, Marks, Side};
use super::svg::{Anchor, Style, Svg, short};
use super::theme::Theme;

/// The height of a row.
const ROW: f64 = 24.0;
/// A piece of a line.
const LINE: f64 = 26.0;
/// Between a swatch and its text.
const GAP: f64 = 8.0;
/// Between two entries.
const BETWEEN: f64 = 26.0;
/// No name is wider.
const WIDEST: f64 = 320.0;

enum Swatch {
    Line(&'static str, Option<&'static str>),
    Box(&'static str),
    Candle(&'static str),
}

impl Swatch {
    fn width(&self) -> f64 {
        match self {
            Self::Line(..) => LINE,
            Self::Box(_) => 14.0,
            Self::Candle(_) => 10.0,
        }
    }
}

struct Entry {
    swatch: Option<Swatch>,
    text: String,
}

/// The entries in rows.
pub(super) struct Legend {
    rows: Vec<Vec<(f64, Entry)>>,
    style: Style,
}

impl Legend {
    /// Sets the entries in rows of a width; those that find no room in `most` pixels of height are
    /// counted.
    pub(super) fn set(chart: &Chart, theme: &Theme, style: Style, width: f64, most: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let most = ((most / ROW).floor() as usize).max(1);
        let mut entries = entries(chart, theme, style);
        let mut rows = in_rows(entries, style, width);
        let mut left_out = 0;
        while rows.len() > most {
            // Room for the note is made by leaving out more.
            entries = rows.into_iter().flatten().map(|(_, entry)| entry).collect();
            let before = entries.len();
            entries.retain(|entry| entry.swatch.is_some());
            let few = entries.len() - (entries.len() / 20).max(1);
            left_out += entries.len() - few;
            entries.truncate(few);
            debug_assert!(few < before);
            entries.push(Entry {
                swatch: None,
                text: format!("and {left_out} more"),
            });
            rows = in_rows(entries, style, width);
        }
        Self { rows, style }
    }

    /// Without entries there is none.
    pub(super) fn height(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "rows are few")]
        let rows = self.rows.len() as f64;
        rows * ROW
    }

    pub(super) fn draw(self, svg: &mut Svg, (left, top): (f64, f64)) {
        let mut middle = top + ROW / 2.0;
        for row in self.rows {
            for (x, entry) in row {
                let x = left + x;
                let mut text = x;
                if let Some(swatch) = &entry.swatch {
                    draw_swatch(svg, swatch, (x, middle));
                    text += swatch.width() + GAP;
                }
                let baseline = (text, middle + self.style.size * 0.36);
                svg.text(&entry.text, baseline, Anchor::Start, self.style, 0.0);
            }
            middle += ROW;
        }
    }
}

fn in_rows(entries: Vec<Entry>, style: Style, width: f64) -> Vec<Vec<(f64, Entry)>> {
    let mut rows: Vec<Vec<(f64, Entry)>> = Vec::new();
    let mut at = 0.0;
    for entry in entries {
        let swatch = entry
            .swatch
            .as_ref()
            .map_or(0.0, |swatch| swatch.width() + GAP);
        let own = swatch + style.width(&entry.text);
        match rows.last_mut() {
            Some(row) if at + own <= width => row.push((at, entry)),
            _ => {
                rows.push(vec![(0.0, entry)]);
                at = 0.0;
            }
        }
        at += own + BETWEEN;
    }
    rows
}

fn entries(chart: &Chart, theme: &Theme, style: Style) -> Vec<Entry> {
    let both = |side: Side| chart.series.iter().any(|series| series.side == side);
    let two_axes = both(Side::Left) && both(Side::Right);
    let mut entries = Vec::new();
    for (number, (series, at)) in chart.series.iter().zip(numbers(chart)).enumerate() {
        let (colour, dash) = theme.series(at);
        let side = match series.side {
            Side::Right if two_axes => " (right)",
            _ => "",
        };
        let mut add = |swatch, name: &str| {
            entries.push(Entry {
                swatch: Some(swatch),
                text: format!("{}{side}", style.fit(name, WIDEST)),
            });
        };
        match &series.marks {
            Marks::Candles(_) => {
                let others = chart.series.len() > 1 && !series.name.is_empty();
                let name = |what: &str| {
                    if others {
                        format!("{}, {what}", series.name)
                    } else {
                        what.to_owned()
                    }
                };
                add(Swatch::Candle(theme.rising), &name("close ≥ open"));
                add(Swatch::Candle(theme.falling), &name("close < open"));
            }
            _ if chart.series.len() == 1 => {}
            Marks::Line(_) => add(Swatch::Line(colour, dash), &named(&series.name, number)),
            Marks::Bars { .. } => add(Swatch::Box(colour), &named(&series.name, number)),
        }
    }
    entries
}

fn named(name: &str, number: usize) -> String {
    if name.is_empty() {
        return format!("series {}", number + 1);
    }
    name.to_owned()
}

/// The number of each series among those that take a colour.
pub(super) fn numbers(chart: &Chart) -> Vec<usize> {
    let mut next = 0;
    chart
        .series
        .iter()
        .map(|series| {
            if let Marks::Candles(_) = series.marks {
                return 0;
            }
            next += 1;
            next - 1
        })
        .collect()
}

fn draw_swatch(svg: &mut Svg, swatch: &Swatch, (x, y): (f64, f64)) {
    match swatch {
        Swatch::Line(colour, dash) => {
            let dash =
                dash.map_or_else(String::new, |dash| format!(r#" stroke-dasharray="{dash}""#));
            svg.raw(&format!(
                r#"<path d="M{} {}h{LINE}" fill="none" stroke="{colour}" stroke-width="3"{dash}/>"#,
                short(x),
                short(y)
            ));
        }
        Swatch::Box(colour) => {
            svg.rectangle((x, y - 7.0), (14.0, 14.0), colour);
        }
        Swatch::Candle(colour) => {
            let middle = x + 5.0;
            let wick = format!("M{} {}v18", short(middle), short(y - 9.0));
            svg.lines(&wick, colour, 2.0);
            svg.rectangle((middle - 4.5, y - 5.0), (9.0, 10.0), colour);
        }
    }
}

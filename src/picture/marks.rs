//! Lines, bars and candles.

use std::collections::HashMap;

use super::axis::Scale;
use super::chart::{Candle, Chart, Marks, Point, Side};
use super::svg::{Svg, short};
use super::theme::Theme;
use super::thin;

/// A line with at most so many points shows each.
const FEW: usize = 40;

/// A bar: from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    pub(super) x: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The bars of each series, stacked ones upon each other: what is below zero goes down.
pub(super) fn bars(chart: &Chart) -> Vec<Vec<Bar>> {
    let mut tops: HashMap<(Side, u64, bool), f64> = HashMap::new();
    let of = |series: &super::chart::Series, tops: &mut HashMap<_, f64>| {
        let Marks::Bars { points, stacked } = &series.marks else {
            return Vec::new();
        };
        let valid = points.iter().filter(|point| point.y.is_finite());
        valid
            .map(|Point { x, y }| {
                let (x, y) = (*x, *y);
                let mut from = 0.0;
                if *stacked {
                    let top = tops.entry((series.side, x.to_bits(), y < 0.0)).or_default();
                    from = *top;
                    *top += y;
                }
                Bar {
                    x,
                    from,
                    to: from + y,
                }
            })
            .collect()
    };
    chart
        .series
        .iter()
        .map(|series| of(series, &mut tops))
        .collect()
}

/// What marks are drawn with.
pub(super) struct Pen<'a> {
    pub(super) svg: &'a mut Svg,
    pub(super) theme: &'a Theme,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) colour: &'static str,
    pub(super) dash: Option<&'static str>,
}

impl Pen<'_> {
    /// Draws a line; a value that is no number interrupts it.
    pub(super) fn line(&mut self, points: &[Point]) {
        let width = self.x.end - self.x.start;
        let mut path = String::new();
        let mut dots: Vec<thin::Place> = Vec::new();
        for run in points.split(|point| !point.y.is_finite()) {
            let places: Vec<thin::Place> = run
                .iter()
                .map(|point| (self.x.place(point.x), self.y.place(point.y)))
                .collect();
            if places.len() == 1 || points.len() <= FEW {
                dots.extend(&places);
            }
            if places.len() > 1 {
                add_line(&thin::line(places, width), &mut path);
            }
        }
        if !path.is_empty() {
            let thickness = if points.len() > 1500 { 1.25 } else { 2.25 };
            let dash = self
                .dash
                .map_or_else(String::new, |dash| format!(r#" stroke-dasharray="{dash}""#));
            self.svg.raw(&format!(
                r#"<path d="{path}" fill="none" stroke="{}" stroke-width="{thickness}" stroke-linejoin="round" stroke-linecap="round"{dash}/>"#,
                self.colour
            ));
        }
        self.dots(&dots);
    }

    fn dots(&mut self, dots: &[thin::Place]) {
        if dots.is_empty() {
            return;
        }
        let radius = if dots.len() == 1 { 5.0 } else { 3.5 };
        self.svg.raw(&format!(
            r#"<g fill="{}" stroke="{}" stroke-width="1.25">"#,
            self.colour, self.theme.background
        ));
        for (x, y) in dots {
            let (x, y) = (short(*x), short(*y));
            self.svg
                .raw(&format!(r#"<circle cx="{x}" cy="{y}" r="{radius}"/>"#));
        }
        self.svg.raw("</g>");
    }

    /// Draws bars `width` pixels wide whose middles are `beside` pixels from their places; faintly
    /// when they are `behind` others.
    pub(super) fn bars(&mut self, bars: &[Bar], width: f64, beside: f64, behind: bool) {
        let mut path = String::new();
        // Of the bars in one column of pixels what they cover together.
        let mut column: Option<(i64, f64, f64)> = None;
        for bar in bars {
            let middle = self.x.place(bar.x) + beside;
            let (a, b) = (self.y.place(bar.from), self.y.place(bar.to));
            let (top, bottom) = (a.min(b), a.max(b));
            if width >= 1.0 {
                add_box(
                    (middle - width / 2.0, top),
                    (width, bottom - top),
                    &mut path,
                );
                continue;
            }
            let x = thin::column(middle);
            column = match column {
                Some((at, upper, lower)) if at == x => Some((x, upper.min(top), lower.max(bottom))),
                earlier => {
                    if let Some((x, top, bottom)) = earlier {
                        add_column(x, (top, bottom), &mut path);
                    }
                    Some((x, top, bottom))
                }
            };
        }
        if let Some((x, top, bottom)) = column {
            add_column(x, (top, bottom), &mut path);
        }
        if !path.is_empty() {
            let colour = self.colour;
            let opacity = if behind { r#" fill-opacity="0.3""# } else { "" };
            self.svg
                .raw(&format!(r#"<path d="{path}" fill="{colour}"{opacity}/>"#));
        }
    }

    /// Draws candles that are `room` pixels apart: green where they close at least as high as they
    /// open.
    pub(super) fn candles(&mut self, candles: &[Candle], room: f64, distance: f64) {
        let drawn = if room < 3.0 {
            thin::candles(candles, distance * 3.0 / room)
        } else {
            candles.to_vec()
        };
        let room = room.max(3.0);
        let body = (room * 0.62).clamp(1.5, 56.0);
        let wick = if body >= 6.0 { 2.0 } else { 1.0 };
        for rising in [true, false] {
            let colour = if rising {
                self.theme.rising
            } else {
                self.theme.falling
            };
            let (mut wicks, mut bodies) = (String::new(), String::new());
            for candle in drawn.iter().filter(|candle| candle.rises() == rising) {
                let x = self.x.place(candle.x);
                let [open, high, low, close] = [candle.open, candle.high, candle.low, candle.close]
                    .map(|value| self.y.place(value));
                wicks.push_str(&format!("M{} {}V{}", short(x), short(high), short(low)));
                let (top, bottom) = (open.min(close), open.max(close));
                // A day that closes as it opened is a line.
                let height = (bottom - top).max(1.5);
                let top = (top + bottom - height) / 2.0;
                add_box((x - body / 2.0, top), (body, height), &mut bodies);
            }
            self.svg.lines(&wicks, colour, wick);
            if !bodies.is_empty() {
                self.svg
                    .raw(&format!(r#"<path d="{bodies}" fill="{colour}"/>"#));
            }
        }
    }
}

fn add_line(places: &[thin::Place], path: &mut String) {
    for (at, (x, y)) in places.iter().enumerate() {
        path.push(if at == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", short(*x), short(*y)));
    }
}

fn add_box((x, y): (f64, f64), (width, height): (f64, f64), path: &mut String) {
    let (x, y, right, bottom) = (short(x), short(y), short(x + width), short(y + height));
    path.push_str(&format!("M{x} {y}H{right}V{bottom}H{x}Z"));
}

/// A box as wide as a column of pixels.
fn add_column(column: i64, (top, bottom): (f64, f64), path: &mut String) {
    #[expect(clippy::cast_precision_loss, reason = "pixels are few")]
    let x = column as f64;
    add_box((x, top), (1.0, bottom - top), path);
}

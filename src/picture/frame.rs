//! Where in the picture everything has its place.

use super::axis::{Horizontal, Scale, Vertical};
use super::chart::{Chart, LegendPlace, Side};
use super::font::Weight;
use super::legend::Legend;
use super::marks::Bar;
use super::svg::Style;
use super::theme::Theme;

/// Around everything.
pub(super) const MARGIN: f64 = 28.0;
/// Between an axis and its labels.
pub(super) const OFF: f64 = 9.0;
/// From one line of labels to the next.
pub(super) const LINE: f64 = 19.0;
/// The slope of labels that don't fit beside each other.
pub(super) const SLOPE: f64 = -38.0;

/// The styles of all texts.
pub(super) struct Styles {
    pub(super) title: Style,
    pub(super) subtitle: Style,
    pub(super) label: Style,
    pub(super) tick: Style,
    pub(super) legend: Style,
}

impl Styles {
    pub(super) fn of(theme: &Theme) -> Self {
        let style = |size, weight, colour| Style {
            size,
            weight,
            colour,
        };
        Self {
            title: style(25.0, Weight::SemiBold, theme.text),
            subtitle: style(16.0, Weight::Regular, theme.faint),
            label: style(15.0, Weight::SemiBold, theme.faint),
            tick: style(14.0, Weight::Regular, theme.faint),
            legend: style(15.0, Weight::Regular, theme.text),
        }
    }
}

/// The places of everything.
pub(super) struct Frame {
    pub(super) styles: Styles,
    pub(super) x: Horizontal,
    pub(super) across: Scale,
    pub(super) left: Option<Vertical>,
    pub(super) right: Option<Vertical>,
    pub(super) legend: Option<(Legend, f64)>,
    /// The edges of the plot.
    pub(super) plot: Edges,
    /// The baseline of the horizontal axis' label.
    pub(super) x_label: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Frame {
    pub(super) fn of(chart: &Chart, bars: &[Vec<Bar>], theme: &Theme) -> Self {
        let styles = Styles::of(theme);
        let (width, height) = (f64::from(chart.width), f64::from(chart.height));
        let mut top = MARGIN;
        if chart.title.is_some() {
            top += 32.0;
        }
        if chart.subtitle.is_some() {
            top += 24.0;
        }
        let legend = (chart.legend != LegendPlace::Nowhere).then(|| {
            let across = width - 2.0 * MARGIN;
            Legend::set(chart, theme, styles.legend, across, height * 0.25)
        });
        let legend_height = legend.as_ref().map_or(0.0, Legend::height);
        let mut bottom = height - MARGIN;
        let legend = legend.filter(|_| legend_height > 0.0).map(|legend| {
            if chart.legend == LegendPlace::Top {
                top += 4.0;
                let place = top;
                top += legend_height;
                (legend, place)
            } else {
                bottom -= legend_height;
                let place = bottom;
                bottom -= 8.0;
                (legend, place)
            }
        });
        top += 16.0;

        let count = ((bottom - top - 60.0) / 68.0).clamp(2.0, 8.0);
        let left = Vertical::plan(chart, bars, Side::Left, count, None);
        let right = Vertical::plan(chart, bars, Side::Right, count, left.as_ref());
        let room = |axis: Option<&Vertical>, label: Option<&String>| {
            let ticks = axis.into_iter().flat_map(|axis| &axis.ticks);
            let widths = ticks.map(|tick| styles.tick.width(&tick.label));
            let widest = widths.fold(0.0, f64::max);
            let label = label.filter(|_| axis.is_some());
            axis.map_or(0.0, |_| widest + OFF) + label.map_or(0.0, |_| 28.0)
        };
        let mut edges = Edges {
            left: MARGIN + room(left.as_ref(), chart.left.label.as_ref()),
            right: width - MARGIN - room(right.as_ref(), chart.right.label.as_ref()),
            top,
            bottom,
        };
        if edges.right < edges.left + 40.0 {
            (edges.left, edges.right) = (MARGIN, width - MARGIN);
        }
        let x = Horizontal::plan(chart, edges.right - edges.left, styles.tick);
        let mut below = OFF + LINE;
        if x.turned {
            let widths = x.ticks.iter().map(|tick| styles.tick.width(&tick.label));
            let widest = widths.fold(0.0, f64::max);
            below = OFF + 10.0 + widest * (-SLOPE).to_radians().sin();
            edges.left = edges.left.max(MARGIN + widest * 0.5);
        }
        if x.ticks.iter().any(|tick| tick.context.is_some()) {
            below += LINE;
        }
        let x_label = edges.bottom - 3.0;
        if chart.x.label.is_some() {
            below += 24.0;
        }
        edges.bottom = (edges.bottom - below).max(edges.top + 20.0);
        Self {
            across: Scale {
                low: x.low,
                high: x.high,
                start: edges.left,
                end: edges.right,
            },
            styles,
            x,
            left,
            right,
            legend,
            plot: edges,
            x_label,
        }
    }

    /// The axis of a side.
    pub(super) fn axis(&self, side: Side) -> Option<(&Vertical, Scale)> {
        let axis = match side {
            Side::Left => self.left.as_ref()?,
            Side::Right => self.right.as_ref()?,
        };
        let scale = Scale {
            low: axis.low,
            high: axis.high,
            start: self.plot.bottom,
            end: self.plot.top,
        };
        Some((axis, scale))
    }
}

//! A chart as SVG.

use super::chart::{Chart, Marks, Side};
use super::frame::{Frame, LINE, MARGIN, OFF, SLOPE};
use super::legend::numbers;
use super::logarithm::in_logarithms;
use super::marks::{Pen, bars};
use super::svg::{Anchor, Svg, short};
use super::theme::Theme;

/// Bars take this share of the room they have.
const SHARE: f64 = 0.78;

/// Draws a chart. The same chart gives the same text.
#[must_use]
pub fn to_svg(chart: &Chart) -> String {
    let theme = Theme::of(chart.theme);
    let chart = &*in_logarithms(chart);
    let bars = bars(chart);
    let frame = Frame::of(chart, &bars, theme);
    let mut svg = Svg::default();
    let size = (f64::from(chart.width), f64::from(chart.height));
    svg.rectangle((0.0, 0.0), size, theme.background);
    draw_titles(chart, &frame, &mut svg);
    draw_grid(&frame, theme, &mut svg);
    draw_series(chart, &frame, &bars, theme, &mut svg);
    draw_axes(chart, &frame, theme, &mut svg);
    let title = chart.title.clone().unwrap_or_else(|| "chart".to_owned());
    if let Some((legend, top)) = frame.legend {
        legend.draw(&mut svg, (MARGIN, top));
    }
    svg.finish(chart.width, chart.height, &title, &description(chart))
}

fn description(chart: &Chart) -> String {
    let names: Vec<&str> = chart
        .series
        .iter()
        .map(|series| series.name.as_str())
        .filter(|name| !name.is_empty())
        .take(20)
        .collect();
    let of = if names.is_empty() {
        String::new()
    } else {
        format!(" of {}", names.join(", "))
    };
    match chart.points() {
        1 => format!("1 value{of}"),
        points => format!("{points} values{of}"),
    }
}

fn draw_titles(chart: &Chart, frame: &Frame, svg: &mut Svg) {
    let width = f64::from(chart.width) - 2.0 * MARGIN;
    let mut baseline = MARGIN + 20.0;
    let styles = &frame.styles;
    if let Some(title) = &chart.title {
        let title = styles.title.fit(title, width);
        svg.text(&title, (MARGIN, baseline), Anchor::Start, styles.title, 0.0);
        baseline += 27.0;
    }
    if let Some(subtitle) = &chart.subtitle {
        let style = styles.subtitle;
        let subtitle = style.fit(subtitle, width);
        svg.text(&subtitle, (MARGIN, baseline), Anchor::Start, style, 0.0);
    }
}

fn draw_grid(frame: &Frame, theme: &Theme, svg: &mut Svg) {
    let plot = frame.plot;
    let Some((axis, scale)) = frame.axis(Side::Left).or_else(|| frame.axis(Side::Right)) else {
        return;
    };
    let path: String = axis
        .ticks
        .iter()
        .map(|tick| {
            let y = short(scale.place(tick.value));
            format!("M{} {y}H{}", short(plot.left), short(plot.right))
        })
        .collect();
    svg.lines(&path, theme.grid, 1.0);
}

fn draw_series(
    chart: &Chart,
    frame: &Frame,
    bars: &[Vec<super::marks::Bar>],
    theme: &Theme,
    svg: &mut Svg,
) {
    let plot = frame.plot;
    // Dots at the edges are whole; what is beyond an axis that was given isn't seen.
    svg.raw(&format!(
        r#"<clipPath id="plot"><rect x="{}" y="{}" width="{}" height="{}"/></clipPath>"#,
        short(plot.left - 6.0),
        short(plot.top - 6.0),
        short(plot.right - plot.left + 12.0),
        short(plot.bottom - plot.top + 12.0)
    ));
    svg.raw(r#"<g clip-path="url(#plot)">"#);
    let room = frame.across.length(frame.x.distance);
    let slots = slots(chart);
    #[expect(clippy::cast_precision_loss, reason = "series are few")]
    let count = slots
        .iter()
        .flatten()
        .max()
        .map_or(1.0, |most| *most as f64 + 1.0);
    let own = room * SHARE / count;
    // Bars below candles are the background, as volumes are.
    let behind = chart
        .series
        .iter()
        .any(|series| matches!(series.marks, Marks::Candles(_)));
    for (at, number) in numbers(chart).into_iter().enumerate() {
        let series = &chart.series[at];
        let Some((_, y)) = frame.axis(series.side) else {
            continue;
        };
        let (colour, dash) = theme.series(number);
        let mut pen = Pen {
            svg,
            theme,
            x: frame.across,
            y,
            colour,
            dash,
        };
        match &series.marks {
            Marks::Line(points) => pen.line(points),
            Marks::Bars { .. } => {
                #[expect(clippy::cast_precision_loss, reason = "series are few")]
                let slot = slots[at].unwrap_or_default() as f64;
                let beside = (slot - (count - 1.0) / 2.0) * own;
                let width = if count > 1.0 { own * 0.94 } else { own };
                pen.bars(&bars[at], width, beside, behind);
            }
            Marks::Candles(candles) => pen.candles(candles, room, frame.x.distance),
        }
    }
    svg.raw("</g>");
}

/// The place of each series of bars beside the others; stacked ones share one.
fn slots(chart: &Chart) -> Vec<Option<usize>> {
    let mut next = 0;
    let mut shared = None;
    chart
        .series
        .iter()
        .map(|series| match series.marks {
            Marks::Bars { stacked: true, .. } => Some(*shared.get_or_insert_with(|| {
                next += 1;
                next - 1
            })),
            Marks::Bars { .. } => {
                next += 1;
                Some(next - 1)
            }
            _ => None,
        })
        .collect()
}

fn draw_axes(chart: &Chart, frame: &Frame, theme: &Theme, svg: &mut Svg) {
    let (plot, style) = (frame.plot, frame.styles.tick);
    let middle = style.size * 0.36;
    for side in [Side::Left, Side::Right] {
        let Some((axis, scale)) = frame.axis(side) else {
            continue;
        };
        let (edge, anchor, label) = match side {
            Side::Left => (plot.left - OFF, Anchor::End, &chart.left.label),
            Side::Right => (plot.right + OFF, Anchor::Start, &chart.right.label),
        };
        for tick in &axis.ticks {
            let y = scale.place(tick.value) + middle;
            svg.text(&tick.label, (edge, y), anchor, style, 0.0);
        }
        if let Some(label) = label {
            let half = f64::midpoint(plot.top, plot.bottom);
            let (x, turned) = match side {
                Side::Left => (MARGIN + 8.0, -90.0),
                Side::Right => (f64::from(chart.width) - MARGIN - 8.0, 90.0),
            };
            let label = frame.styles.label.fit(label, plot.bottom - plot.top);
            svg.text(
                &label,
                (x, half),
                Anchor::Middle,
                frame.styles.label,
                turned,
            );
        }
        // Where values are on both sides of it, zero is to be seen.
        if axis.has_zero && (side == Side::Left || frame.left.is_none()) {
            let y = short(scale.place(0.0));
            let path = format!("M{} {y}H{}", short(plot.left), short(plot.right));
            svg.lines(&path, theme.axis, 1.0);
        }
    }
    let bottom = short(plot.bottom);
    let mut path = format!("M{} {bottom}H{}", short(plot.left), short(plot.right));
    for tick in &frame.x.ticks {
        let x = frame.across.place(tick.value);
        path.push_str(&format!("M{} {bottom}v5", short(x)));
        if frame.x.turned {
            let place = (x + 4.0, plot.bottom + OFF + 8.0);
            svg.text(&tick.label, place, Anchor::End, style, SLOPE);
            continue;
        }
        let place = (x, plot.bottom + OFF + 12.0);
        svg.text(&tick.label, place, Anchor::Middle, style, 0.0);
        if let Some(context) = &tick.context {
            let place = (x, plot.bottom + OFF + 12.0 + LINE);
            svg.text(context, place, Anchor::Middle, style, 0.0);
        }
    }
    svg.lines(&path, theme.axis, 1.0);
    if let Some(label) = &chart.x.label {
        let style = frame.styles.label;
        let place = (f64::midpoint(plot.left, plot.right), frame.x_label);
        svg.text(label, place, Anchor::Middle, style, 0.0);
    }
}

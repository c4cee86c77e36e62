//! Where an axis begins and ends, and what stands along it.

use super::chart::{AxisScale, Chart, Marks, Side, XKind, YAxis};
use super::logarithm::Decades;
use super::marks::Bar;
use super::number::Ticks;
use super::svg::Style;
use super::time::{Step, formatted};

/// Between two labels of an axis.
const GAP: f64 = 14.0;

/// From values to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Scale {
    pub(super) fn place(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// How many pixels a distance between values takes.
    pub(super) fn length(&self, distance: f64) -> f64 {
        distance / (self.high - self.low) * (self.end - self.start)
    }
}

/// A tick with what stands there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
    /// Below the label.
    pub(super) context: Option<String>,
}

impl Tick {
    fn new(value: f64, label: String) -> Self {
        Self {
            value,
            label,
            context: None,
        }
    }
}

/// The horizontal axis.
pub(super) struct Horizontal {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<Tick>,
    /// The labels don't fit beside each other.
    pub(super) turned: bool,
    /// The distance between two bars or candles.
    pub(super) distance: f64,
}

impl Horizontal {
    /// The axis for a width in pixels.
    pub(super) fn plan(chart: &Chart, width: f64, style: Style) -> Self {
        let distance = distance(chart);
        let wide = chart.series.iter().any(|series| series.marks.is_wide());
        let (mut low, mut high) = extent(chart.series.iter().flat_map(|series| series.marks.xs()));
        if wide || high <= low {
            low -= distance / 2.0;
            high += distance / 2.0;
        }
        let mut plan = Self {
            low,
            high,
            ticks: Vec::new(),
            turned: false,
            distance,
        };
        match &chart.x.kind {
            XKind::Category(names) => plan.name(names, width, style),
            XKind::Number(format) => {
                let pad = if wide {
                    0.0
                } else {
                    (plan.high - plan.low) * 0.015
                };
                plan.low -= pad;
                plan.high += pad;
                let ticks = Ticks::within(plan.low, plan.high, (width / 110.0).max(2.0));
                let labels = ticks.labels(format);
                plan.ticks = ticks
                    .values()
                    .into_iter()
                    .zip(labels)
                    .map(|(value, label)| Tick::new(value, label))
                    .collect();
            }
            XKind::Time { ticks, format } => {
                let asked = ticks.map(Step::of);
                plan.time(chart, wide, asked, format.as_deref(), width, style);
            }
        }
        plan
    }

    fn scale(&self, width: f64) -> Scale {
        Scale {
            low: self.low,
            high: self.high,
            start: 0.0,
            end: width,
        }
    }

    fn name(&mut self, names: &[String], width: f64, style: Style) {
        #[expect(clippy::cast_precision_loss, reason = "names are few")]
        let values = (0..names.len()).map(|at| at as f64);
        self.ticks = values
            .zip(names)
            .map(|(value, name)| Tick::new(value, style.fit(name, 160.0)))
            .collect();
        self.low = -0.5;
        #[expect(clippy::cast_precision_loss, reason = "names are few")]
        let end = names.len().max(1) as f64 - 0.5;
        self.high = end;
        let scale = self.scale(width);
        if fits(&self.ticks, scale, style) {
            return;
        }
        self.turned = true;
        // Turned labels need their height.
        let room = scale.length(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let every = (style.size * 1.5 / room).ceil().max(1.0) as usize;
        for (at, tick) in self.ticks.iter_mut().enumerate() {
            if !at.is_multiple_of(every) {
                tick.label.clear();
            }
        }
    }

    fn time(
        &mut self,
        chart: &Chart,
        wide: bool,
        asked: Option<Step>,
        format: Option<&str>,
        width: f64,
        style: Style,
    ) {
        let scale = self.scale(width);
        let label = |step: Step, value: f64| match format {
            Some(format) => formatted(value, format),
            None => step.label(value),
        };
        let ticks_of = |step: Step| -> Vec<Tick> {
            let values = step.ticks(self.low, self.high);
            values
                .into_iter()
                .map(|value| Tick::new(value, label(step, value)))
                .collect()
        };
        let at_marks = || {
            let step = Step::nearest(self.distance);
            let ticks: Vec<Tick> = places_of_marks(chart, 100)?
                .into_iter()
                .map(|value| Tick::new(value, label(step, value)))
                .collect();
            fits(&ticks, scale, style).then_some((step, ticks))
        };
        let by_span = || {
            let shortest = if wide {
                self.distance
            } else {
                (self.high - self.low) / (width / 40.0)
            };
            let mut steps = Step::at_least(shortest).map(|step| (step, ticks_of(step)));
            steps.find(|(_, ticks)| fits(ticks, scale, style) && in_number(ticks, width))
        };
        let found = match asked {
            Some(step) => Some((step, ticks_of(step))),
            None if wide => at_marks().or_else(by_span),
            None => by_span(),
        };
        let Some((step, mut ticks)) = found else {
            return;
        };
        while asked.is_some() && !fits(&ticks, scale, style) {
            let mut keep = false;
            for tick in ticks.iter_mut().filter(|tick| !tick.label.is_empty()) {
                keep = !keep;
                if !keep {
                    tick.label.clear();
                }
            }
        }
        if format.is_none() {
            add_contexts(&mut ticks, step, scale, style);
        }
        self.ticks = ticks;
    }
}

/// A few more labels could fit, but would make the axis restless.
fn in_number(ticks: &[Tick], width: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "ticks are few")]
    let count = ticks.len() as f64;
    count <= (width / 75.0).max(3.0)
}

/// Where bars and candles stand, each place once, unless they are many.
fn places_of_marks(chart: &Chart, most: usize) -> Option<Vec<f64>> {
    let wide = chart.series.iter().filter(|series| series.marks.is_wide());
    let mut places: Vec<f64> = Vec::new();
    for series in wide {
        if series.marks.len() > most {
            return None;
        }
        places.extend(series.marks.xs());
    }
    places.sort_by(f64::total_cmp);
    places.dedup();
    (places.len() <= most).then_some(places)
}

fn add_contexts(ticks: &mut [Tick], step: Step, scale: Scale, style: Style) {
    let mut shown: Option<String> = None;
    for tick in ticks.iter_mut() {
        let context = step.context(tick.value);
        if context != shown {
            tick.context.clone_from(&context);
            shown = context;
        }
    }
    // The day that is about to end gives way to the one that begins.
    let mut later: Option<f64> = None;
    for tick in ticks.iter_mut().rev() {
        let Some(context) = &tick.context else {
            continue;
        };
        let (place, half) = (scale.place(tick.value), style.width(context) / 2.0);
        if later.is_some_and(|later| place + half + GAP > later) {
            tick.context = None;
        } else {
            later = Some(place - half);
        }
    }
}

/// Whether all labels have their place.
fn fits(ticks: &[Tick], scale: Scale, style: Style) -> bool {
    let mut end = f64::NEG_INFINITY;
    ticks
        .iter()
        .filter(|tick| !tick.label.is_empty())
        .all(|tick| {
            let (place, half) = (scale.place(tick.value), style.width(&tick.label) / 2.0);
            let fits = place - half >= end;
            end = place + half + GAP;
            fits
        })
}

/// The smallest distance between two bars or candles; a day or 1 when there is only one.
fn distance(chart: &Chart) -> f64 {
    let alone = match chart.x.kind {
        XKind::Time { .. } => 86_400.0,
        XKind::Number(_) | XKind::Category(_) => return distance_of(chart).unwrap_or(1.0),
    };
    distance_of(chart).unwrap_or(alone)
}

fn distance_of(chart: &Chart) -> Option<f64> {
    if matches!(chart.x.kind, XKind::Category(_)) {
        return Some(1.0);
    }
    let wide = chart.series.iter().filter(|series| series.marks.is_wide());
    let mut places: Vec<f64> = wide.flat_map(|series| series.marks.xs()).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    places
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .min_by(f64::total_cmp)
}

/// The smallest and the largest; 0 and 0 of nothing.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut extent: Option<(f64, f64)> = None;
    for value in values.filter(|value| value.is_finite()) {
        let (low, high) = extent.unwrap_or((value, value));
        extent = Some((low.min(value), high.max(value)));
    }
    extent.unwrap_or_default()
}

/// A vertical axis.
pub(super) struct Vertical {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<Tick>,
    /// Those of a linear axis.
    steps: Option<Ticks>,
    /// Zero has a place on it.
    pub(super) has_zero: bool,
}

impl Vertical {
    /// The axis of a side, when a series has it. `beside` is the axis whose grid it shares.
    pub(super) fn plan(
        chart: &Chart,
        bars: &[Vec<Bar>],
        side: Side,
        count: f64,
        beside: Option<&Self>,
    ) -> Option<Self> {
        let mut own = chart.series.iter().zip(bars);
        own.clone().find(|(series, _)| series.side == side)?;
        let axis = match side {
            Side::Left => &chart.left,
            Side::Right => &chart.right,
        };
        let values = own
            .by_ref()
            .filter(|(series, _)| series.side == side)
            .flat_map(|(series, bars)| values(&series.marks, bars));
        let (low, high) = extent(values);
        if axis.scale == AxisScale::Logarithmic {
            let decades = Decades::covering(axis, low, high, count);
            let ticks = decades.ticks.into_iter();
            return Some(Self {
                low: decades.low,
                high: decades.high,
                ticks: ticks
                    .map(|(value, label)| Tick::new(value, label))
                    .collect(),
                steps: None,
                has_zero: false,
            });
        }
        let steps = match beside.and_then(|beside| beside.steps) {
            Some(beside) if axis.minimum.is_none() && axis.maximum.is_none() => {
                Ticks::covering_as(low, high, beside)
            }
            _ => Ticks::covering(
                axis.minimum.unwrap_or(low),
                axis.maximum.unwrap_or(high),
                count,
            ),
        };
        Some(Self::of(axis, steps, count))
    }

    fn of(axis: &YAxis, steps: Ticks, count: f64) -> Self {
        let low = axis.minimum.unwrap_or(steps.low());
        let mut high = axis.maximum.unwrap_or(steps.high());
        if high <= low {
            high = low + low.abs().max(1.0);
        }
        let steps = if axis.minimum.is_some() || axis.maximum.is_some() {
            Ticks::within(low, high, count)
        } else {
            steps
        };
        let labels = steps.labels(&axis.format);
        Self {
            low,
            high,
            ticks: steps
                .values()
                .into_iter()
                .zip(labels)
                .map(|(value, label)| Tick::new(value, label))
                .collect(),
            steps: Some(steps),
            has_zero: low < 0.0 && high > 0.0,
        }
    }
}

/// All that a series reaches up and down to.
fn values<'a>(marks: &'a Marks, bars: &'a [Bar]) -> Box<dyn Iterator<Item = f64> + 'a> {
    match marks {
        Marks::Line(points) => Box::new(points.iter().map(|point| point.y)),
        Marks::Bars { .. } => Box::new(bars.iter().flat_map(|bar| [bar.from, bar.to])),
        Marks::Candles(candles) => {
            Box::new(candles.iter().flat_map(|candle| [candle.low, candle.high]))
        }
    }
}

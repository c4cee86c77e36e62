//! Axes on which equal distances are equal ratios.

use std::borrow::Cow;

use super::chart::{AxisScale, Chart, Marks, NumberFormat, Side, YAxis};
use super::number::Ticks;

/// The chart with the decimal logarithms of all that is measured by a logarithmic axis, its ends
/// too: from here on every axis is linear. What isn't above zero has none, and is a gap.
pub(super) fn in_logarithms(chart: &Chart) -> Cow<'_, Chart> {
    let sides = [(Side::Left, &chart.left), (Side::Right, &chart.right)];
    let logarithmic = sides.map(|(side, axis)| (side, axis.scale == AxisScale::Logarithmic));
    if logarithmic.iter().all(|(_, is)| !is) {
        return Cow::Borrowed(chart);
    }
    let mut chart = chart.clone();
    for (side, _) in logarithmic.into_iter().filter(|(_, is)| *is) {
        for series in chart.series.iter_mut().filter(|series| series.side == side) {
            take(&mut series.marks);
        }
        let axis = match side {
            Side::Left => &mut chart.left,
            Side::Right => &mut chart.right,
        };
        for end in [&mut axis.minimum, &mut axis.maximum] {
            *end = end.map(f64::log10).filter(|end| end.is_finite());
        }
    }
    Cow::Owned(chart)
}

fn take(marks: &mut Marks) {
    match marks {
        Marks::Line(points) | Marks::Bars { points, .. } => {
            for point in points {
                point.y = point.y.log10();
                if !point.y.is_finite() {
                    point.y = f64::NAN;
                }
            }
        }
        Marks::Candles(candles) => {
            candles.retain(|candle| candle.low > 0.0);
            for candle in candles {
                for value in [
                    &mut candle.open,
                    &mut candle.high,
                    &mut candle.low,
                    &mut candle.close,
                ] {
                    *value = value.log10();
                }
            }
        }
    }
}

/// Ends and ticks of a logarithmic axis, all as logarithms.
pub(super) struct Decades {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// Below this many decades the ticks are those of a linear axis: 60,000, 70,000, 80,000.
const FEW_DECADES: f64 = 0.9;
/// Which multiples of the powers of ten have a tick, the densest first.
const MULTIPLES: [&[u32]; 3] = [&[1, 2, 5], &[1, 3], &[1]];

impl Decades {
    /// The axis for values between two logarithms, with about `count` ticks.
    pub(super) fn covering(axis: &YAxis, low: f64, high: f64, count: f64) -> Self {
        let (mut low, mut high) = (axis.minimum.unwrap_or(low), axis.maximum.unwrap_or(high));
        if high - low < 1e-9 {
            (low, high) = (low - 0.15, high + 0.15);
        }
        let ticks = if high - low < FEW_DECADES {
            linear(low, high, count, &axis.format)
        } else {
            of_powers(low, high, count, &axis.format)
        };
        // The ends are the nearest ticks around the values, unless they are given.
        let below = ticks.iter().rev().find(|(value, _)| *value <= low + 1e-9);
        let above = ticks.iter().find(|(value, _)| *value >= high - 1e-9);
        if let (None, Some((tick, _))) = (axis.minimum, below) {
            low = *tick;
        }
        if let (None, Some((tick, _))) = (axis.maximum, above) {
            high = *tick;
        }
        let within = |value: f64| value >= low - 1e-9 && value <= high + 1e-9;
        Self {
            low,
            high,
            ticks: ticks
                .into_iter()
                .filter(|(value, _)| within(*value))
                .collect(),
        }
    }
}

/// Ticks at equal distances of the values themselves.
fn linear(low: f64, high: f64, count: f64, format: &NumberFormat) -> Vec<(f64, String)> {
    let ticks = Ticks::covering(10_f64.powf(low), 10_f64.powf(high), count);
    let values = ticks.values().into_iter().zip(ticks.labels(format));
    values
        .filter(|(value, _)| *value > 0.0)
        .map(|(value, label)| (value.log10(), label))
        .collect()
}

/// Ticks at powers of ten, and between them where there is room; or at every second, third … power.
fn of_powers(low: f64, high: f64, count: f64, format: &NumberFormat) -> Vec<(f64, String)> {
    let span = high - low;
    #[expect(clippy::cast_precision_loss, reason = "three at most")]
    let fits = |multiples: &&&[u32]| span * multiples.len() as f64 <= count * 1.5;
    let multiples = MULTIPLES.iter().find(fits);
    let every = (1..1000).find(|every| span / f64::from(*every) <= count * 1.5);
    let every = if multiples.is_some() {
        1
    } else {
        every.unwrap_or(1)
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "exponents of numbers are below 309"
    )]
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let mut power = first.div_euclid(every) * every;
    let mut ticks = Vec::new();
    while power <= last + every {
        for multiple in *multiples.unwrap_or(&MULTIPLES[2]) {
            let tick = Ticks::single(*multiple, power);
            let label = tick.labels(format).pop().unwrap_or_default();
            ticks.push((tick.low().log10(), label));
        }
        power += every;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An axis as its ends and labels.
    fn check(axis: &YAxis, low: f64, high: f64, expected: &str) {
        let found = Decades::covering(axis, low.log10(), high.log10(), 6.0);
        let labels: Vec<&str> = found
            .ticks
            .iter()
            .map(|(_, label)| label.as_str())
            .collect();
        let text = format!(
            "{:.3e}..{:.3e}: {}",
            10_f64.powf(found.low),
            10_f64.powf(found.high),
            labels.join(" ")
        );
        assert_eq!(text, expected, "{low} to {high}");
    }

    #[test]
    fn ticks_are_where_people_expect_them() {
        let axis = YAxis::default();
        for (low, high, expected) in [
            (
                60_123.0,
                79_000.0,
                "6.000e4..8.000e4: 60,000 65,000 70,000 75,000 80,000",
            ),
            (1.0, 100.0, "1.000e0..1.000e2: 1 2 5 10 20 50 100"),
            (
                3.0,
                4_000.0,
                "3.000e0..1.000e4: 3 10 30 100 300 1,000 3,000 10,000",
            ),
            (
                0.004,
                900.0,
                "1.000e-3..1.000e3: 0.001 0.01 0.1 1 10 100 1,000",
            ),
            (
                1e-8,
                1e9,
                "1.000e-8..1.000e10: 1×10⁻⁸ 1×10⁻⁶ 0.0001 0.01 1 100 10,000 1M 100M 10B",
            ),
            (7.0, 7.0, "4.000e0..1.000e1: 4 5 6 7 8 9 10"),
        ] {
            check(&axis, low, high, expected);
        }
        let given = YAxis {
            minimum: Some(0.5_f64.log10()),
            maximum: Some(2000_f64.log10()),
            ..YAxis::default()
        };
        check(
            &given,
            3.0,
            100.0,
            "5.000e-1..2.000e3: 1 3 10 30 100 300 1,000",
        );
    }
}

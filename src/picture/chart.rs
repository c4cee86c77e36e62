//! What a chart shows, before anything of it has a place.

use std::time::Duration;

use super::theme::ThemeName;

/// A chart. Every number in it is finite, apart from a point's `y`.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: Option<String>,
    /// Below the title, smaller.
    pub subtitle: Option<String>,
    /// In CSS pixels; a PNG may have more of its own.
    pub width: u32,
    pub height: u32,
    pub theme: ThemeName,
    pub legend: LegendPlace,
    pub x: XAxis,
    pub left: YAxis,
    pub right: YAxis,
    /// Drawn in this order, the last on top.
    pub series: Vec<Series>,
}

/// Where the names of the series stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegendPlace {
    Top,
    Bottom,
    Nowhere,
}

/// The horizontal axis.
#[derive(Debug, Clone, PartialEq)]
pub struct XAxis {
    pub label: Option<String>,
    pub kind: XKind,
}

/// What the `x` of points means.
#[derive(Debug, Clone, PartialEq)]
pub enum XKind {
    /// Seconds since 1970, UTC.
    Time {
        /// Between two ticks; found by the span when left out.
        ticks: Option<Duration>,
        /// As `strftime` has it; by the span when left out.
        format: Option<String>,
    },
    Number(NumberFormat),
    /// The index of a name.
    Category(Vec<String>),
}

/// A vertical axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct YAxis {
    pub label: Option<String>,
    pub format: NumberFormat,
    pub scale: AxisScale,
    /// Ends of the axis; by the data when left out.
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
}

/// How distances along an axis are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AxisScale {
    /// Equal distances are equal differences.
    #[default]
    Linear,
    /// Equal distances are equal ratios: only what is above zero has a place.
    Logarithmic,
}

/// How numbers are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NumberFormat {
    pub style: NumberStyle,
    /// Digits behind the point; as many as tell the ticks apart when left out.
    pub decimals: Option<usize>,
    /// Before the number, such as `$`.
    pub prefix: String,
    /// After the number, such as ` ms`.
    pub suffix: String,
}

/// The notation of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberStyle {
    /// `60,000`; `1.5M` from a million on; `2×10⁻⁸` where digits can't be counted any more.
    #[default]
    Auto,
    /// `1,500,000`.
    Plain,
    /// `60k`, `1.5M`, `2B`.
    Short,
    /// `1.5×10⁶`.
    Scientific,
    /// A share: `0.25` is `25%`.
    Percent,
}

/// Which vertical axis a series is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Left,
    Right,
}

/// Values with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the legend; nothing stands there without one.
    pub name: String,
    pub side: Side,
    pub marks: Marks,
}

/// How values are drawn. They are in the order of `x`.
#[derive(Debug, Clone, PartialEq)]
pub enum Marks {
    Line(Vec<Point>),
    Bars {
        points: Vec<Point>,
        /// On top of the stacked bars before, instead of beside them.
        stacked: bool,
    },
    Candles(Vec<Candle>),
}

/// A value; a `y` that isn't a number is a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// First, largest, smallest and last value of a period that begins at `x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candle {
    pub x: f64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
}

impl Candle {
    /// Whether it is drawn green.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.close >= self.open
    }
}

impl Marks {
    /// How many values it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Line(points) | Self::Bars { points, .. } => points.len(),
            Self::Candles(candles) => candles.len(),
        }
    }

    /// Whether it has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every `x`.
    pub(super) fn xs(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Self::Line(points) | Self::Bars { points, .. } => {
                Box::new(points.iter().map(|point| point.x))
            }
            Self::Candles(candles) => Box::new(candles.iter().map(|candle| candle.x)),
        }
    }

    /// Whether each value has a width.
    pub(super) fn is_wide(&self) -> bool {
        !matches!(self, Self::Line(_))
    }
}

impl Chart {
    /// How many values it has.
    #[must_use]
    pub fn points(&self) -> usize {
        self.series.iter().map(|series| series.marks.len()).sum()
    }
}

//! What stands along the axes.

use std::time::Duration;

use schemars::{Schema, json_schema};

use super::layer::Layer;
use super::points::{AsX, X};
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned, Value};
use crate::picture::{
    AxisScale, Marks, NumberFormat, NumberStyle, Series, Side, XAxis, XKind, YAxis,
};
use crate::task::{Surroundings, TaskFailure};
use crate::template::{Scope, Template};

crate::record! {
    /// What stands along the axes.
    pub(super) struct AxesRecord as "`axes`" {
        /// The horizontal axis: its label, or a map.
        x: Option<LabelOr<XRecord>>,
        /// The vertical axis on the left: its label, or a map.
        y: Option<LabelOr<YRecord>>,
        /// The vertical axis on the right, for what says `axis: right`: its label, or a map.
        right: Option<Spanned<LabelOr<YRecord>>>,
    }
}

crate::record! {
    /// The horizontal axis.
    pub(super) struct XRecord as "an axis `x`" {
        /// What it measures.
        label: Option<Spanned<String>>,
        /// What its values are. By the first value when left out.
        r#type: Option<AsX>,
        /// Of times: between two ticks. By the span when left out.
        ticks: Option<Spanned<Duration>>,
        /// Of times: how they are written, as `strftime` has it: `%d %b %H:%M`.
        format: Option<Spanned<String>>,
    }
}

crate::record! {
    /// A vertical axis.
    pub(super) struct YRecord as "a vertical axis" {
        /// What it measures.
        label: Option<Spanned<String>>,
        /// `log` for values of very different sizes: equal distances are equal ratios. What isn't above zero is left out, and bars can't be drawn.
        scale: Option<Spanned<ScaleName>>,
        /// Its lower end. By the values when left out.
        min: Option<f64>,
        /// Its upper end. By the values when left out.
        max: Option<f64>,
        /// How numbers are written: `auto`, `plain` (1,500,000), `short` (1.5M), `scientific`, `percent` (of a share).
        format: Style = "auto" => Style::Auto,
        /// Digits behind the point. As many as are needed when left out.
        decimals: Option<Spanned<u32>>,
        /// Before each number, such as `$`.
        prefix: Option<String>,
        /// Behind each number, such as ` ms`.
        suffix: Option<String>,
    }
}

crate::choice! {
    /// How numbers are written.
    pub(super) enum Style as "notation of numbers" {
        Auto = "auto",
        Plain = "plain",
        Short = "short",
        Scientific = "scientific",
        Percent = "percent",
    }
}

crate::choice! {
    /// How distances along an axis are to be read.
    pub(super) enum ScaleName as "scale" {
        /// Equal distances are equal differences.
        Linear = "linear",
        /// Equal distances are equal ratios.
        Log = "log",
    }
}

/// A text, which is the label, or a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LabelOr<T> {
    Label(Spanned<String>),
    Map(T),
}

impl<T: FromNode> FromNode for LabelOr<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Text(text) => Some(Self::Label(Spanned::new(text.to_string(), node.span))),
            Value::Map(_) => T::from_node(node, report).map(Self::Map),
            _ => {
                report.expected("a label or a map", node);
                None
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, T::schema()] })
    }
}

/// Checked axes.
#[derive(Debug, Default)]
pub(super) struct CheckedAxes {
    x_label: Option<Template>,
    x_type: Option<AsX>,
    ticks: Option<Duration>,
    format: Option<String>,
    left: CheckedY,
    right: CheckedY,
}

#[derive(Debug, Default)]
struct CheckedY {
    label: Option<Template>,
    axis: YAxis,
}

impl CheckedAxes {
    pub(super) fn read(
        axes: Option<&AxesRecord>,
        layers: &[Layer],
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let Some(axes) = axes else {
            return Some(Self::default());
        };
        if let Some(right) = &axes.right
            && layers.iter().all(|layer| layer.side == Side::Left)
        {
            surroundings.report.push(
                Diagnostic::warning(
                    "no-effect",
                    "`right` has no effect: nothing is measured by it",
                    right.span,
                )
                .help("add `axis: right` to a `line`, `bar` or `candlestick`"),
            );
        }
        let bars = |side: Side| {
            let on_side = |layer: &&Layer| layer.side == side && layer.is_bars();
            layers.iter().any(|layer| on_side(&layer))
        };
        let left = CheckedY::read(axes.y.as_ref(), bars(Side::Left), surroundings);
        let right = axes.right.as_ref().map(|right| &right.value);
        let right = CheckedY::read(right, bars(Side::Right), surroundings);
        let (left, right, mut checked) = match &axes.x {
            None => (left?, right?, Self::default()),
            Some(LabelOr::Label(label)) => {
                let x_label = Some(surroundings.template(label)?);
                let checked = Self {
                    x_label,
                    ..Self::default()
                };
                (left?, right?, checked)
            }
            Some(LabelOr::Map(x)) => {
                let checked = Self::read_x(x, surroundings);
                (left?, right?, checked?)
            }
        };
        (checked.left, checked.right) = (left, right);
        Some(checked)
    }

    fn read_x(x: &XRecord, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let label = x.label.as_ref().map(|label| surroundings.template(label));
        let mut fine = true;
        if let Some(format) = &x.format
            && chrono::format::StrftimeItems::new(format)
                .any(|item| matches!(item, chrono::format::Item::Error))
        {
            fine = false;
            surroundings.report.push(
                Diagnostic::error(
                    "invalid-value",
                    format!("`{}` is no way to write a time", format.value),
                    format.span,
                )
                .label("expected a pattern such as `%d %b %H:%M`"),
            );
        }
        for (name, span) in [
            ("ticks", x.ticks.as_ref().map(|ticks| ticks.span)),
            ("format", x.format.as_ref().map(|format| format.span)),
        ] {
            if let Some(span) = span
                && let Some(other @ (AsX::Number | AsX::Category)) = x.r#type
            {
                fine = false;
                surroundings.report.push(Diagnostic::error(
                    "conflicting-keys",
                    format!(
                        "`{name}` is for times, this axis has `type: {}`",
                        other.word()
                    ),
                    span,
                ));
            }
        }
        if let Some(ticks) = &x.ticks
            && ticks.value.is_zero()
        {
            fine = false;
            surroundings.report.push(Diagnostic::error(
                "invalid-value",
                "ticks need a distance",
                ticks.span,
            ));
        }
        let x_label = match label {
            Some(label) => Some(label?),
            None => None,
        };
        let for_times = x.ticks.is_some() || x.format.is_some();
        fine.then(|| Self {
            x_label,
            x_type: x.r#type.or(for_times.then_some(AsX::Time)),
            ticks: x.ticks.as_ref().map(|ticks| ticks.value),
            format: x.format.as_ref().map(|format| format.value.clone()),
            ..Self::default()
        })
    }

    /// What the values of `x` are said to be.
    pub(super) fn x_kind(&self) -> Option<AsX> {
        self.x_type
    }

    /// Leaves out what has no place on a logarithmic axis, and says how many values that are.
    pub(super) fn leave_out(&self, series: &mut Vec<Series>) -> usize {
        let mut left_out = 0;
        series.retain_mut(|series| {
            let axis = match series.side {
                Side::Left => &self.left.axis,
                Side::Right => &self.right.axis,
            };
            if axis.scale == AxisScale::Linear {
                return true;
            }
            match &mut series.marks {
                Marks::Line(points) | Marks::Bars { points, .. } => {
                    for point in points.iter_mut().filter(|point| point.y <= 0.0) {
                        point.y = f64::NAN;
                        left_out += 1;
                    }
                    points.iter().any(|point| point.y.is_finite())
                }
                Marks::Candles(candles) => {
                    let all = candles.len();
                    candles.retain(|candle| candle.low > 0.0);
                    left_out += all - candles.len();
                    !candles.is_empty()
                }
            }
        });
        left_out
    }

    /// The axes of a chart.
    pub(super) fn axes(&self, x: X, scope: &Scope) -> Result<(XAxis, YAxis, YAxis), TaskFailure> {
        let kind = match x {
            X::Unknown | X::Time => XKind::Time {
                ticks: self.ticks,
                format: self.format.clone(),
            },
            X::Number => XKind::Number(NumberFormat::default()),
            X::Category(names) => XKind::Category(names.into_names()),
        };
        let label = match &self.x_label {
            Some(label) => Some(label.render(scope)?),
            None => None,
        };
        Ok((
            XAxis { label, kind },
            self.left.axis(scope)?,
            self.right.axis(scope)?,
        ))
    }
}

impl CheckedY {
    /// `has_bars`: whether bars are measured by it.
    fn read(
        y: Option<&LabelOr<YRecord>>,
        has_bars: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let record = match y {
            None => return Some(Self::default()),
            Some(LabelOr::Label(label)) => {
                return Some(Self {
                    label: Some(surroundings.template(label)?),
                    axis: YAxis::default(),
                });
            }
            Some(LabelOr::Map(record)) => record,
        };
        let mut fine = true;
        let mut refuse = |message: &str, span| {
            fine = false;
            let diagnostic = Diagnostic::error("invalid-value", message, span);
            surroundings.report.push(diagnostic);
        };
        if let (Some(low), Some(high)) = (record.min, record.max)
            && low >= high
        {
            refuse("`min` isn't below `max`", record.span);
        }
        let scale = match &record.scale {
            Some(scale) if scale.value == ScaleName::Log => {
                if [record.min, record.max]
                    .into_iter()
                    .flatten()
                    .any(|end| end <= 0.0)
                {
                    refuse("on a log scale `min` and `max` are above zero", record.span);
                }
                if has_bars {
                    refuse(
                        "bars begin at zero, which a log scale doesn't have",
                        scale.span,
                    );
                }
                AxisScale::Logarithmic
            }
            _ => AxisScale::Linear,
        };
        let drawn = |value: Option<f64>| value.is_none_or(|value| value.abs() <= 1e300);
        if !drawn(record.min) || !drawn(record.max) {
            refuse("an end of the axis is beyond 1e300", record.span);
        }
        if let Some(decimals) = &record.decimals
            && decimals.value > 20
        {
            refuse("at most 20 `decimals` can be read", decimals.span);
        }
        let label = match &record.label {
            Some(label) => Some(surroundings.template(label)?),
            None => None,
        };
        fine.then(|| Self {
            label,
            axis: YAxis {
                label: None,
                format: NumberFormat {
                    style: match record.format {
                        Style::Auto => NumberStyle::Auto,
                        Style::Plain => NumberStyle::Plain,
                        Style::Short => NumberStyle::Short,
                        Style::Scientific => NumberStyle::Scientific,
                        Style::Percent => NumberStyle::Percent,
                    },
                    decimals: record
                        .decimals
                        .as_ref()
                        .map(|decimals| decimals.value as usize),
                    prefix: record.prefix.clone().unwrap_or_default(),
                    suffix: record.suffix.clone().unwrap_or_default(),
                },
                scale,
                minimum: record.min,
                maximum: record.max,
            },
        })
    }

    fn axis(&self, scope: &Scope) -> Result<YAxis, TaskFailure> {
        Ok(YAxis {
            label: match &self.label {
                Some(label) => Some(label.render(scope)?),
                None => None,
            },
            ..self.axis.clone()
        })
    }
}

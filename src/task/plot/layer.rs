//! What is drawn of the records: lines, bars, candles.

use schemars::{Schema, json_schema};

use crate::document::{FromNode, Map, Node, Report, Value};
use crate::picture::Side;

crate::record! {
    /// Lines, one for each column of `y`.
    pub(super) struct LineRecord as "a `line`" {
        /// The column of times, numbers or names.
        x: String,
        /// The column of values, a list of them, or a map of columns and their names in the legend.
        y: Ys,
        /// A column: each of its values has lines of its own.
        series: Option<String>,
        /// The vertical axis that measures it.
        axis: AxisSide = "left" => AxisSide::Left,
    }
}

crate::record! {
    /// Bars, one for each column of `y`.
    pub(super) struct BarRecord as "a `bar`" {
        /// The column of times, numbers or names.
        x: String,
        /// The column of values, a list of them, or a map of columns and their names in the legend.
        y: Ys,
        /// A column: each of its values has bars of its own.
        series: Option<String>,
        /// The vertical axis that measures it.
        axis: AxisSide = "left" => AxisSide::Left,
        /// On top of each other instead of side by side.
        stacked: bool = "false" => false,
    }
}

crate::record! {
    /// Candles.
    pub(super) struct CandlestickRecord as "a `candlestick`" {
        /// The column of times.
        x: String,
        /// The column of the first values.
        open: String,
        /// The column of the largest values.
        high: String,
        /// The column of the smallest values.
        low: String,
        /// The column of the last values.
        close: String,
        /// Its name in the legend, beside others.
        name: Option<String>,
        /// The vertical axis that measures it.
        axis: AxisSide = "left" => AxisSide::Left,
    }
}

crate::choice! {
    /// A vertical axis.
    pub(super) enum AxisSide as "axis side" {
        Left = "left",
        Right = "right",
    }
}

/// The value of `y`: columns, each with its name in the legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ys(Vec<(String, String)>);

impl FromNode for Ys {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let alone = |name: String| (name.clone(), name);
        let columns: Vec<(String, String)> = match &node.value {
            Value::Text(text) => vec![alone(text.to_string())],
            Value::List(_) => Vec::<String>::from_node(node, report)?
                .into_iter()
                .map(alone)
                .collect(),
            Value::Map(_) => Map::<String>::from_node(node, report)?
                .0
                .into_iter()
                .map(|(column, name)| (column.value, name))
                .collect(),
            _ => {
                report.expected("a column, a list or a map of columns", node);
                return None;
            }
        };
        if columns.is_empty() {
            report.expected("at least one column", node);
            return None;
        }
        Some(Self(columns))
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "type": "object", "additionalProperties": { "type": "string" }, "minProperties": 1 },
        ] })
    }
}

/// A checked layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) x: String,
    pub(super) side: Side,
    pub(super) shape: Shape,
}

impl Layer {
    /// Whether it draws bars, which begin at zero.
    pub(super) fn is_bars(&self) -> bool {
        matches!(self.shape, Shape::Bars { .. })
    }
}

/// What a layer draws.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Lines(Values),
    Bars {
        values: Values,
        stacked: bool,
    },
    /// The columns open, high, low, close.
    Candles {
        columns: [String; 4],
        name: String,
    },
}

/// Columns of values and, maybe, the one that tells series apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    /// Each with its name in the legend.
    pub(super) columns: Vec<(String, String)>,
    pub(super) series: Option<String>,
}

fn side(axis: AxisSide) -> Side {
    match axis {
        AxisSide::Left => Side::Left,
        AxisSide::Right => Side::Right,
    }
}

impl From<&LineRecord> for Layer {
    fn from(line: &LineRecord) -> Self {
        Self {
            x: line.x.clone(),
            side: side(line.axis),
            shape: Shape::Lines(Values {
                columns: line.y.0.clone(),
                series: line.series.clone(),
            }),
        }
    }
}

impl From<&BarRecord> for Layer {
    fn from(bar: &BarRecord) -> Self {
        Self {
            x: bar.x.clone(),
            side: side(bar.axis),
            shape: Shape::Bars {
                values: Values {
                    columns: bar.y.0.clone(),
                    series: bar.series.clone(),
                },
                stacked: bar.stacked,
            },
        }
    }
}

impl From<&CandlestickRecord> for Layer {
    fn from(candles: &CandlestickRecord) -> Self {
        let CandlestickRecord {
            open,
            high,
            low,
            close,
            ..
        } = candles;
        Self {
            x: candles.x.clone(),
            side: side(candles.axis),
            shape: Shape::Candles {
                columns: [open, high, low, close].map(String::clone),
                name: candles.name.clone().unwrap_or_default(),
            },
        }
    }
}

//! From records to series.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::layer::{Layer, Shape, Values};
use super::points::{AsX, X, number};
use crate::data::{Batch, Columns, Place, RecordSource};
use crate::document::nearest;
use crate::picture::{Candle, Marks, Point, Series};
use crate::task::TaskFailure;
use crate::task::transfer::Consumer;

/// More values would take too much memory, and no picture shows them.
const MOST_POINTS: usize = 1_000_000;
/// More series can't be told apart.
const MOST_SERIES: usize = 200;

/// Takes records and keeps what is drawn of them.
pub(super) struct Collector<'a> {
    layers: &'a [Layer],
    x: X,
    /// For each layer its series: by the value of its `series`, then by column.
    series: Vec<BTreeMap<(String, usize), Marks>>,
    records: u64,
    points: usize,
    /// Records without `x`, values without a number, candles without one of their four.
    without_x: u64,
    not_finite: u64,
    incomplete: u64,
}

/// Where a layer's values stand in a record.
struct Cells {
    x: usize,
    values: Vec<usize>,
    series: Option<usize>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(layers: &'a [Layer], said: Option<AsX>) -> Self {
        Self {
            layers,
            x: X::of(said),
            series: layers.iter().map(|_| BTreeMap::new()).collect(),
            records: 0,
            points: 0,
            without_x: 0,
            not_finite: 0,
            incomplete: 0,
        }
    }

    /// How many records came.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// What was left out, for the log.
    pub(super) fn remarks(&self) -> Vec<String> {
        [
            (self.without_x, "records are left out: their `x` is NULL"),
            (
                self.not_finite,
                "values are left out: they are infinite, no numbers or beyond 1e300",
            ),
            (
                self.incomplete,
                "candles are left out: one of their values is missing",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }

    /// The series in the order of the layers, each in the order of `x`; those without any value are
    /// left out.
    pub(super) fn finish(self) -> (Vec<Series>, X) {
        let mut found = Vec::new();
        for (layer, series) in self.layers.iter().zip(self.series) {
            for ((value, column), mut marks) in series {
                if !sort(&mut marks) {
                    continue;
                }
                found.push(Series {
                    name: name(layer, &value, column),
                    side: layer.side,
                    marks,
                });
            }
        }
        (found, self.x)
    }

    fn take(&mut self, cells: &[Cells], batch: &Batch, row: usize) -> Result<(), String> {
        let text = |column: usize| batch.cell(row, column).map(String::from_utf8_lossy);
        for (at, (layer, cells)) in self.layers.iter().zip(cells).enumerate() {
            let Some(x) = text(cells.x) else {
                self.without_x += 1;
                continue;
            };
            let kind = batch.columns()[cells.x].kind;
            let wrong = |column: &str| {
                let column = column.to_owned();
                move |reason: String| format!("column `{column}`: {reason}")
            };
            let x = self.x.read(&x, kind).map_err(wrong(&layer.x))?;
            let mut values = Vec::with_capacity(cells.values.len());
            for column in &cells.values {
                let value = match text(*column) {
                    None => None,
                    Some(text) => match number(&text) {
                        Some(value) => Some(value),
                        // `NaN` and `Infinity` are numbers of databases.
                        None if text.trim().parse::<f64>().is_ok() => {
                            self.not_finite += 1;
                            None
                        }
                        None => {
                            let name = &batch.columns()[*column].name;
                            return Err(wrong(name)(format!("`{text}` is no number")));
                        }
                    },
                };
                values.push(value);
            }
            self.points += match layer.shape {
                Shape::Candles { .. } => 1,
                _ => values.len(),
            };
            if self.points > MOST_POINTS {
                return Err(format!(
                    "a picture has at most {MOST_POINTS} values: let the query put them together, \
                     such as by `date_trunc('minute', …)` with `min` and `max`"
                ));
            }
            let series = cells
                .series
                .map(|column| text(column).unwrap_or_default().into_owned());
            self.add(at, layer, series.unwrap_or_default(), x, &values)?;
        }
        self.records += 1;
        Ok(())
    }

    fn add(
        &mut self,
        at: usize,
        layer: &Layer,
        series: String,
        x: f64,
        values: &[Option<f64>],
    ) -> Result<(), String> {
        let all = &mut self.series[at];
        if let Shape::Candles { .. } = layer.shape {
            let [Some(open), Some(high), Some(low), Some(close)] = values else {
                self.incomplete += 1;
                return Ok(());
            };
            let marks = all.entry((series, 0)).or_insert(Marks::Candles(Vec::new()));
            if let Marks::Candles(candles) = marks {
                candles.push(Candle {
                    x,
                    open: *open,
                    high: *high,
                    low: *low,
                    close: *close,
                });
            }
            return Ok(());
        }
        for (column, value) in values.iter().enumerate() {
            let key = (series.clone(), column);
            let known = all.len();
            let marks = all.entry(key).or_insert_with(|| match layer.shape {
                Shape::Bars { stacked, .. } => Marks::Bars {
                    points: Vec::new(),
                    stacked,
                },
                _ => Marks::Line(Vec::new()),
            });
            if marks.is_empty() && known >= MOST_SERIES {
                return Err(format!(
                    "a picture has at most {MOST_SERIES} series: let the query leave some out"
                ));
            }
            if let Marks::Line(points) | Marks::Bars { points, .. } = marks {
                let y = value.unwrap_or(f64::NAN);
                points.push(Point { x, y });
            }
        }
        Ok(())
    }
}

/// Puts values in the order of `x`; whether there is any.
fn sort(marks: &mut Marks) -> bool {
    match marks {
        Marks::Line(points) | Marks::Bars { points, .. } => {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            points.iter().any(|point| point.y.is_finite())
        }
        Marks::Candles(candles) => {
            candles.sort_by(|a, b| a.x.total_cmp(&b.x));
            !candles.is_empty()
        }
    }
}

fn name(layer: &Layer, value: &str, column: usize) -> String {
    let values = match &layer.shape {
        Shape::Candles { name, .. } => return name.clone(),
        Shape::Lines(values) | Shape::Bars { values, .. } => values,
    };
    let column = &values.columns[column].1;
    match &values.series {
        None => column.clone(),
        Some(_) if values.columns.len() == 1 => value.to_owned(),
        Some(_) => format!("{value} {column}"),
    }
}

/// Finds the columns of each layer.
fn find(layers: &[Layer], columns: &Columns) -> Result<Vec<Cells>, TaskFailure> {
    let place = |name: &str| {
        let found = columns.iter().position(|column| *column.name == *name);
        found.ok_or_else(|| {
            let known = || columns.iter().map(|column| &*column.name);
            let hint = if let Some(near) = nearest(name, known()) {
                format!("did you mean `{near}`?")
            } else {
                let names: Vec<String> = known().map(|name| format!("`{name}`")).collect();
                format!("they have {}", names.join(", "))
            };
            TaskFailure::permanent(format!("the records have no column `{name}`: {hint}"))
        })
    };
    layers
        .iter()
        .map(|layer| {
            let (names, series): (Vec<&String>, Option<&String>) = match &layer.shape {
                Shape::Candles { columns, .. } => (columns.iter().collect(), None),
                Shape::Lines(Values { columns, series })
                | Shape::Bars {
                    values: Values { columns, series },
                    ..
                } => (
                    columns.iter().map(|(column, _)| column).collect(),
                    series.as_ref(),
                ),
            };
            Ok(Cells {
                x: place(&layer.x)?,
                values: names
                    .into_iter()
                    .map(|name| place(name))
                    .collect::<Result<_, _>>()?,
                series: match series {
                    Some(series) => Some(place(series)?),
                    None => None,
                },
            })
        })
        .collect()
}

#[async_trait]
impl Consumer for Collector<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        // A dataset of nothing has no columns.
        let mut cells: Option<Vec<Cells>> = None;
        let mut before = 0;
        while let Some(batch) = source.next().await? {
            let cells = match &cells {
                Some(cells) => cells,
                None => cells.insert(find(self.layers, batch.columns())?),
            };
            for row in 0..batch.rows() {
                self.take(cells, &batch, row).map_err(|reason| {
                    let at = before + row as u64;
                    let place = match source.place(at) {
                        Some(Place { file, line }) => format!("{}:{line}", file.display()),
                        None => format!("record {}", at + 1),
                    };
                    TaskFailure::permanent(format!("{place}: {reason}"))
                })?;
            }
            before += batch.rows() as u64;
        }
        Ok(())
    }
}

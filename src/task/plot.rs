//! Draws records as a picture.

mod axes;
mod collect;
mod draw;
mod layer;
mod moment;
mod place;
mod points;
mod size;

use std::num::NonZeroU32;

use async_trait::async_trait;
use schemars::Schema;
use serde_json::Value as Json;

use self::axes::{AxesRecord, CheckedAxes};
use self::collect::Collector;
use self::layer::{BarRecord, CandlestickRecord, Layer, LineRecord};
use self::place::{Target, ToRecord};
use self::size::Size;
use super::transfer::{From, Records};
use super::{
    AttemptContext, Metrics, Surroundings, Task, TaskFailure, TaskKind, TaskOutput, TaskResult,
};
use crate::document::{Diagnostic, FromNode, Node, OneOrMany, Spanned};
use crate::picture::{Chart, LegendPlace, ThemeName};
use crate::template::Template;

pub(super) const KIND: TaskKind = TaskKind {
    name: "plot",
    doc: "Draws records as lines, bars or candlesticks, as PNG or SVG by the file's extension. The \
same records give the same picture, on every machine: its font is in the program. A time axis is \
UTC; a NULL is a gap in a line; without any value nothing is drawn, which is a success.",
    example: include_str!("plot/example.yaml"),
    schema,
    parse,
};

crate::record! {
    /// Draws records as a picture.
    struct Plot as "a plot" {
        /// Where the records come from, as in `copy`.
        from: From,
        /// The file or files: `.png` or `.svg`, each a path in the project or `{ connection: …, file: … }` in a bucket.
        to: OneOrMany<ToRecord>,
        /// Lines over time, numbers or names.
        line: OneOrMany<LineRecord>,
        /// Bars from zero.
        bar: OneOrMany<BarRecord>,
        /// A candle for each record: its body from open to close, green when it closes at least as high as it opens, red otherwise; its wicks to low and high.
        candlestick: OneOrMany<CandlestickRecord>,
        /// Above the picture.
        title: Option<Spanned<String>>,
        /// Below the title.
        subtitle: Option<Spanned<String>>,
        /// What stands along the axes: `x`, `y` and `right`, each a label or a map.
        axes: Option<AxesRecord>,
        /// Where the names of the series stand. There are none for a single line.
        legend: Legend = "top" => Legend::Top,
        /// Its colours.
        theme: ThemeName = "light" => ThemeName::Light,
        /// Width and height of the SVG, in CSS pixels. `1200x675` when left out.
        size: Option<Spanned<Size>>,
        /// Pixels of a PNG for each of the SVG's, in both directions. 2 when left out.
        scale: Option<Spanned<NonZeroU32>>,
    }
}

crate::choice! {
    /// Where the names of the series stand.
    enum Legend as "legend place" {
        Top = "top",
        Bottom = "bottom",
        None = "none",
    }
}

/// More pixels take too much memory.
const MOST_PIXELS: u64 = 16_000_000;

/// The parts have names, so that the reference shows the keys of each.
fn schema() -> Schema {
    let mut schema = Plot::schema().to_value();
    let mut named = |pointer: &str, name: &str| {
        if let Some(Json::Object(part)) = schema.pointer_mut(pointer) {
            part.insert("title".to_owned(), name.into());
        }
    };
    for (key, name) in [
        ("line", "lines"),
        ("bar", "bars"),
        ("candlestick", "candles"),
    ] {
        named(&format!("/properties/{key}/anyOf/0"), name);
    }
    named("/properties/axes", "what stands along them");
    named(
        "/properties/axes/properties/x/anyOf/1",
        "the horizontal axis",
    );
    named("/properties/axes/properties/y/anyOf/1", "a vertical axis");
    Schema::try_from(schema).unwrap_or_default()
}

/// A checked plot.
#[derive(Debug)]
struct PlotTask {
    from: Records,
    to: Vec<Target>,
    layers: Vec<Layer>,
    title: Option<Template>,
    subtitle: Option<Template>,
    axes: CheckedAxes,
    legend: LegendPlace,
    theme: ThemeName,
    size: Size,
    scale: u32,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let plot = Plot::from_node(node, surroundings.report)?;
    let from = Records::read(&plot.from, surroundings);
    let to: Vec<Option<Target>> = plot
        .to
        .0
        .iter()
        .map(|to| Target::read(to, surroundings))
        .collect();
    if to.is_empty() {
        surroundings.report.push(
            Diagnostic::error("missing-key", "a plot needs `to`", plot.span)
                .label("add `to: bucket/picture.png`"),
        );
    }
    // Bars are drawn first and lines last: nothing hides what is finer.
    let bars = plot.bar.0.iter().map(Layer::from);
    let candles = plot.candlestick.0.iter().map(Layer::from);
    let lines = plot.line.0.iter().map(Layer::from);
    let layers: Vec<Layer> = bars.chain(candles).chain(lines).collect();
    if layers.is_empty() {
        surroundings.report.push(
            Diagnostic::error("missing-key", "a plot needs something to draw", plot.span)
                .label("add `line:`, `bar:` or `candlestick:`"),
        );
    }
    let mut fine = !to.is_empty() && !layers.is_empty();
    let mut text = |text: &Option<Spanned<String>>| {
        let template = text.as_ref().map(|text| surroundings.template(text));
        fine &= !matches!(template, Some(None));
        template.flatten()
    };
    let (title, subtitle) = (text(&plot.title), text(&plot.subtitle));
    let axes = CheckedAxes::read(plot.axes.as_ref(), &layers, surroundings);
    let size = size(&plot, surroundings);
    let to: Option<Vec<Target>> = to.into_iter().collect();
    let (from, to, axes, (size, scale)) = (from?, to?, axes?, size?);
    fine.then(|| {
        Box::new(PlotTask {
            from,
            to,
            layers,
            title,
            subtitle,
            axes,
            legend: match plot.legend {
                Legend::Top => LegendPlace::Top,
                Legend::Bottom => LegendPlace::Bottom,
                Legend::None => LegendPlace::Nowhere,
            },
            theme: plot.theme,
            size,
            scale,
        }) as Box<dyn Task>
    })
}

/// Size and scale, when a machine can draw them.
fn size(plot: &Plot, surroundings: &mut Surroundings<'_>) -> Option<(Size, u32)> {
    let size = plot.size.as_ref().map_or(Size::USUAL, |size| size.value);
    let scale = plot.scale.as_ref().map_or(2, |scale| scale.value.get());
    let squared = u64::from(scale).saturating_mul(u64::from(scale));
    let pixels = size.pixels().saturating_mul(squared);
    if pixels <= MOST_PIXELS {
        return Some((size, scale));
    }
    let place = match (&plot.scale, &plot.size) {
        (Some(scale), _) => scale.span,
        (None, Some(size)) => size.span,
        (None, None) => plot.span,
    };
    surroundings.report.push(
        Diagnostic::error(
            "invalid-value",
            format!("a picture of {pixels} pixels is too large"),
            place,
        )
        .label(format!("at most {MOST_PIXELS} pixels"))
        .help("make `size` or `scale` smaller: a PNG has width × height × scale × scale pixels"),
    );
    None
}

#[async_trait]
impl Task for PlotTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        let to: Vec<place::Place> = self
            .to
            .iter()
            .map(|target| target.place(attempt))
            .collect::<Result<_, _>>()?;
        let mut collector = Collector::new(&self.layers, self.axes.x_kind());
        self.from.pass(attempt, &mut collector).await?;
        for remark in collector.remarks() {
            attempt.log.warn(remark);
        }
        let records = collector.records();
        let (mut series, x) = collector.finish();
        let left_out = self.axes.leave_out(&mut series);
        if left_out > 0 {
            attempt.log.warn(format!(
                "{left_out} values are left out: a log scale has no place for what isn't above zero"
            ));
        }
        if series.is_empty() {
            attempt.log.info(match records {
                0 => "no records: nothing is drawn".to_owned(),
                records => format!("{records} records without a value: nothing is drawn"),
            });
            return Ok(output(records, 0, Vec::new(), Some("nothing to draw")));
        }
        let text = |template: &Option<Template>| match template {
            Some(template) => template.render(&attempt.scope).map(Some),
            None => Ok(None),
        };
        let (x, left, right) = self.axes.axes(x, &attempt.scope)?;
        let chart = Chart {
            title: text(&self.title)?,
            subtitle: text(&self.subtitle)?,
            width: self.size.width,
            height: self.size.height,
            theme: self.theme,
            legend: self.legend,
            x,
            left,
            right,
            series,
        };
        let points = chart.points() as u64;
        let made = draw::draw(chart, self.scale, to, attempt).await?;
        Ok(output(records, points, made, None))
    }

    fn connections(&self) -> Vec<&str> {
        let to = self.to.iter().filter_map(Target::connection);
        self.from.connection().into_iter().chain(to).collect()
    }
}

fn output(records: u64, points: u64, made: Vec<draw::Made>, summary: Option<&str>) -> TaskOutput {
    let bytes = made.iter().map(|made| made.bytes).sum();
    let made: Vec<String> = made.into_iter().map(|made| made.shown).collect();
    let outputs = serde_json::json!({ "points": points, "files": made });
    TaskOutput {
        outputs: match outputs {
            Json::Object(outputs) => outputs,
            _ => serde_json::Map::new(),
        },
        metrics: Metrics {
            rows: Some(records),
            bytes: Some(bytes).filter(|_| !made.is_empty()),
            made,
            summary: summary.map(str::to_owned),
        },
        ..TaskOutput::default()
    }
}

impl std::convert::From<crate::picture::PictureError> for TaskFailure {
    fn from(error: crate::picture::PictureError) -> Self {
        Self::permanent(error.to_string())
    }
}

//! Charts as SVG and PNG: the same bytes for the same data, on every machine.

mod axis;
mod chart;
mod chart_svg;
mod font;
mod frame;
mod legend;
mod logarithm;
mod marks;
mod number;
mod png;
mod svg;
mod theme;
mod thin;
mod time;

pub use chart::{
    AxisScale, Candle, Chart, LegendPlace, Marks, NumberFormat, NumberStyle, Point, Series, Side,
    XAxis, XKind, YAxis,
};
pub use chart_svg::to_svg;
pub use font::unknown_letters;
pub use png::{PictureError, to_png};
pub use theme::ThemeName;

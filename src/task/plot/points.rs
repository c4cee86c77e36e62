//! What cells of records mean in a chart.

use std::collections::HashMap;

use super::moment;
use crate::data::ColumnKind;

crate::choice! {
    /// What the values of the horizontal axis are.
    pub(super) enum AsX as "type of an axis" {
        /// Dates, times, or seconds or milliseconds since 1970.
        Time = "time",
        Number = "number",
        /// Names, in the order of the records.
        Category = "category",
    }
}

/// More names can't be told apart.
const MOST_NAMES: usize = 10_000;

/// What the values of `x` are, as the first of them shows.
#[derive(Debug)]
pub(super) enum X {
    Unknown,
    Time,
    Number,
    Category(Names),
}

/// Names in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Names {
    places: HashMap<String, usize>,
}

impl Names {
    fn place(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = self.places.len();
        if place == MOST_NAMES {
            return None;
        }
        self.places.insert(name.to_owned(), place);
        Some(place)
    }

    pub(super) fn into_names(self) -> Vec<String> {
        let mut names: Vec<(String, usize)> = self.places.into_iter().collect();
        names.sort_by_key(|(_, place)| *place);
        names.into_iter().map(|(name, _)| name).collect()
    }
}

impl X {
    pub(super) fn of(said: Option<AsX>) -> Self {
        match said {
            None => Self::Unknown,
            Some(AsX::Time) => Self::Time,
            Some(AsX::Number) => Self::Number,
            Some(AsX::Category) => Self::Category(Names::default()),
        }
    }

    /// The place of a value.
    ///
    /// # Errors
    /// It isn't what the values before it were.
    pub(super) fn read(&mut self, text: &str, kind: ColumnKind) -> Result<f64, String> {
        if matches!(self, Self::Unknown) {
            *self = if kind != ColumnKind::Number && moment::read(text).is_some() {
                Self::Time
            } else if number(text).is_some() {
                Self::Number
            } else {
                Self::Category(Names::default())
            };
        }
        match self {
            Self::Unknown | Self::Time => moment::read(text)
                .or_else(|| number(text).and_then(moment::of_number))
                .ok_or_else(|| format!("`{text}` is no time: the axis is one of times")),
            Self::Number => number(text).ok_or_else(|| {
                format!(
                    "`{text}` is no number that can be drawn: the axis is one of numbers, \
                     `axes: {{ x: {{ type: category }} }}` makes it one of names"
                )
            }),
            Self::Category(names) => {
                let place = names.place(text).ok_or_else(|| {
                    format!("an axis has at most {MOST_NAMES} names: let the query leave some out")
                })?;
                #[expect(clippy::cast_precision_loss, reason = "names are few")]
                Ok(place as f64)
            }
        }
    }
}

/// A number that can be drawn.
pub(super) fn number(text: &str) -> Option<f64> {
    let value: f64 = text.trim().parse().ok()?;
    (value.abs() <= 1e300).then_some(value)
}

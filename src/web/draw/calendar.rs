//! Days as squares: a column a week, a row a day of the week, the colour the worst that happened.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate, TimeDelta};

use super::layers::number;
use super::text::{escape, px};
use crate::operate::tone::Tone;

/// What happened on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    pub tone: Tone,
    pub title: String,
}

/// The side of a day's square, with its gap.
const SIDE: f64 = 15.0;
/// Above the squares, for the months, and left of them, for the days of the week.
const TOP: f64 = 16.0;
const LEFT: f64 = 30.0;

/// The weeks up to `last`, `weeks` of them.
#[must_use]
pub fn calendar(days: &BTreeMap<NaiveDate, Day>, last: NaiveDate, weeks: u32) -> String {
    let monday = last - TimeDelta::days(i64::from(last.weekday().num_days_from_monday()));
    let first = monday - TimeDelta::weeks(i64::from(weeks) - 1);
    let width = LEFT + SIDE * f64::from(weeks);
    let height = TOP + SIDE * 7.0;
    let mut svg = format!(
        r#"<svg class="calendar" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" aria-label="days">"#,
        px(width),
        px(height)
    );
    for (row, name) in [(0_usize, "Mon"), (2, "Wed"), (4, "Fri")] {
        let y = TOP + SIDE * number(row) + 10.5;
        svg.push_str(&format!(r#"<text x="0" y="{}">{name}</text>"#, px(y)));
    }
    let mut month = None;
    for day in first.iter_days().take_while(|day| *day <= last) {
        let after = (day - first).num_days().unsigned_abs();
        let week = f64::from(u32::try_from(after / 7).unwrap_or(u32::MAX));
        let row = f64::from(day.weekday().num_days_from_monday());
        let (x, y) = (LEFT + SIDE * week, TOP + SIDE * row);
        if day.weekday() == chrono::Weekday::Mon && month != Some(day.month()) && day.day() <= 7 {
            month = Some(day.month());
            let name = day.format("%b");
            svg.push_str(&format!(r#"<text x="{}" y="10">{name}</text>"#, px(x)));
        }
        let side = px(SIDE - 2.0);
        let (class, title) = days.get(&day).map_or_else(
            || ("empty", format!("{day}: no run")),
            |one| (one.tone.class(), format!("{day}: {}", one.title)),
        );
        svg.push_str(&format!(
            r#"<g class="{class}"><title>{}</title><rect x="{}" y="{}" width="{side}" height="{side}" rx="2"/>"#,
            escape(&title),
            px(x),
            px(y)
        ));
        if let Some(one) = days.get(&day)
            && one.tone == Tone::Failed
        {
            svg.push_str(&format!(
                r#"<text class="mark" x="{}" y="{}">✗</text>"#,
                px(x + 2.5),
                px(y + 10.0)
            ));
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_a_square() {
        let last: NaiveDate = "2026-08-20".parse().unwrap();
        let day = Day {
            tone: Tone::Failed,
            title: "3 runs, 1 failed".to_owned(),
        };
        let svg = calendar(&BTreeMap::from([(last, day)]), last, 4);
        // Three whole weeks, and Monday to Thursday.
        assert_eq!(svg.matches("<rect").count(), 25);
        assert!(svg.contains("2026-08-20: 3 runs, 1 failed"), "{svg}");
        assert_eq!(svg.matches("class=\"empty\"").count(), 24);
    }
}

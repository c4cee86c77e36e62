//! Time from left to right, a lane a line.

use std::io::Write;

use anstyle::Style;
use chrono::TimeDelta;
use unicode_width::UnicodeWidthStr as _;

use super::{look, moment};
use crate::model::Timestamp;

/// How a stretch of time went. What comes later hides what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Waiting,
    Done,
    Running,
    Late,
    Cancelled,
    Failed,
}

impl Mark {
    fn style(self) -> Style {
        match self {
            Self::Waiting => look::FAINT,
            Self::Done => Style::new(),
            Self::Running => look::BUSY,
            Self::Late | Self::Cancelled => look::WARN,
            Self::Failed => look::BAD,
        }
    }
}

/// A stretch of time in a lane.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    pub from: Timestamp,
    pub until: Timestamp,
    pub mark: Mark,
}

/// A line: its name, what happened, and what is said of it.
#[derive(Debug, Default)]
pub struct Lane {
    pub name: String,
    pub stretches: Vec<Stretch>,
    pub facts: Vec<(String, Style)>,
}

/// How high a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Height {
    /// By the share of its time that is taken: for many short stretches.
    Share,
    /// Always full: for few.
    Full,
}

/// The lines of a chart of this width.
pub fn print(
    out: &mut dyn Write,
    (from, to): (Timestamp, Timestamp),
    lanes: &[Lane],
    height: Height,
    columns: Option<usize>,
) -> std::io::Result<()> {
    const WIDTH: usize = 100;
    let names = lanes.iter().map(|lane| lane.name.width()).max();
    let names = names.unwrap_or(0).min(28);
    let facts = lanes.iter().map(|lane| facts_width(&lane.facts)).max();
    let taken = names + facts.unwrap_or(0) + 6;
    let width = columns.unwrap_or(WIDTH).saturating_sub(taken).max(24);
    let scale = Scale { from, to, width };
    let faint = look::FAINT;
    let indent = " ".repeat(names + 2);
    writeln!(out, "{indent}{faint}{}{faint:#}", scale.axis().trim_end())?;
    for lane in lanes {
        let name = look::fit(&lane.name, names);
        let bar = scale.bar(lane, height);
        let mut line = format!("{name}  {bar}");
        for (at, (fact, style)) in lane.facts.iter().enumerate() {
            line.push_str(if at == 0 { "  " } else { ", " });
            line.push_str(&format!("{style}{fact}{style:#}"));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn facts_width(facts: &[(String, Style)]) -> usize {
    facts.iter().map(|(fact, _)| fact.width() + 2).sum()
}

/// Steps of the axis, in seconds.
const STEPS: &[i64] = &[
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800, 2_592_000, 7_776_000, 31_536_000,
];

struct Scale {
    from: Timestamp,
    to: Timestamp,
    width: usize,
}

impl Scale {
    fn micros(&self) -> i64 {
        let span = (self.to - self.from).num_microseconds();
        span.unwrap_or(i64::MAX).max(1)
    }

    /// The cell of a moment, which may be outside.
    fn cell(&self, at: Timestamp) -> i64 {
        let passed = (at - self.from).num_microseconds().unwrap_or(0);
        let width = i128::try_from(self.width).unwrap_or(1);
        let cell = (i128::from(passed) * width).div_euclid(i128::from(self.micros()));
        i64::try_from(cell).unwrap_or(i64::MAX)
    }

    /// The moment where a cell begins.
    fn moment(&self, cell: usize) -> Timestamp {
        let (cell, width) = (cell as i128, self.width.max(1) as i128);
        let passed = i128::from(self.micros()) * cell / width;
        self.from + TimeDelta::microseconds(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// The times, in full steps of the local clock.
    fn axis(&self) -> String {
        const APART: i64 = 11;
        let width = i64::try_from(self.width).unwrap_or(1);
        let seconds = self.micros() / 1_000_000;
        let step = STEPS
            .iter()
            .copied()
            .find(|step| step * width >= seconds * APART)
            .unwrap_or(31_536_000);
        let offset = i64::from(moment::local(self.from).offset().local_minus_utc());
        let local = self.from.timestamp() + offset;
        let mut at = (local + step - 1).div_euclid(step) * step - offset;
        let mut text = String::new();
        let mut last_day = None;
        while let Some(time) = Timestamp::from_timestamp(at, 0).filter(|time| *time < self.to) {
            let local = moment::local(time);
            let day = local.date_naive();
            let form = if step >= 86_400 || last_day.is_some_and(|last| last != day) {
                "%-d %b"
            } else if step < 60 {
                "%H:%M:%S"
            } else {
                "%H:%M"
            };
            last_day = Some(day);
            let cell = usize::try_from(self.cell(time)).unwrap_or(0);
            let label = format!("╷{}", local.format(form));
            if cell + label.width() <= self.width && text.width() <= cell {
                text.push_str(&" ".repeat(cell - text.width()));
                text.push_str(&label);
            }
            at += step;
        }
        text
    }

    fn bar(&self, lane: &Lane, height: Height) -> String {
        let mut cells: Vec<(Option<Mark>, i64)> = vec![(None, 0); self.width];
        for stretch in &lane.stretches {
            self.draw(&mut cells, stretch);
        }
        let all = (self.micros() / i64::try_from(self.width).unwrap_or(1)).max(1);
        let mut text = String::new();
        let mut last = Style::new();
        for (mark, taken) in cells {
            let (glyph, style) = match mark {
                None => ('·', look::FAINT),
                Some(Mark::Waiting) => ('░', Mark::Waiting.style()),
                Some(mark) => (glyph(height, taken, all, mark), mark.style()),
            };
            if style != last {
                text.push_str(&format!("{last:#}{style}"));
                last = style;
            }
            text.push(glyph);
        }
        text.push_str(&format!("{last:#}"));
        text
    }

    fn draw(&self, cells: &mut [(Option<Mark>, i64)], stretch: &Stretch) {
        if stretch.until < self.from || stretch.from >= self.to {
            return;
        }
        let last = i64::try_from(self.width).unwrap_or(1) - 1;
        let first = self.cell(stretch.from).clamp(0, last);
        let until = self.cell(stretch.until - TimeDelta::microseconds(1));
        let until = until.clamp(first, last);
        for cell in first..=until {
            let Ok(at) = usize::try_from(cell) else {
                continue;
            };
            let (begin, end) = (self.moment(at), self.moment(at + 1));
            let (mark, taken) = &mut cells[at];
            *mark = (*mark).max(Some(stretch.mark));
            if stretch.mark != Mark::Waiting {
                let part = stretch.until.min(end) - stretch.from.max(begin);
                *taken += part.num_microseconds().unwrap_or(0).max(0);
            }
        }
    }
}

/// Shares of a cell, in eighths.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

fn glyph(height: Height, taken: i64, all: i64, mark: Mark) -> char {
    // Told apart without colours, too.
    match mark {
        Mark::Failed => return '✗',
        Mark::Cancelled => return '■',
        _ => {}
    }
    if height == Height::Full {
        return '█';
    }
    // Whatever is begun of an eighth counts.
    let eighths = taken.saturating_mul(8).saturating_add(all - 1) / all;
    let level = (eighths - 1).clamp(0, 7);
    LEVELS[usize::try_from(level).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn stretch(from: i64, until: i64, mark: Mark) -> Stretch {
        Stretch {
            from: at(from),
            until: at(until),
            mark,
        }
    }

    fn drawn(stretches: Vec<Stretch>, height: Height) -> String {
        let lane = Lane {
            stretches,
            ..Lane::default()
        };
        let scale = Scale {
            from: at(0),
            to: at(100),
            width: 10,
        };
        let bar = scale.bar(&lane, height);
        anstream::adapter::strip_str(&bar).to_string()
    }

    #[test]
    fn bars_show_when_and_how_much() {
        for (stretches, height, expected) in [
            (vec![], Height::Full, "··········"),
            (
                vec![stretch(0, 100, Mark::Done)],
                Height::Full,
                "██████████",
            ),
            (
                vec![stretch(20, 40, Mark::Done)],
                Height::Share,
                "··██······",
            ),
            // However short, it is seen.
            (
                vec![stretch(50, 50, Mark::Done)],
                Height::Share,
                "·····▁····",
            ),
            (
                vec![stretch(0, 5, Mark::Done), stretch(7, 9, Mark::Done)],
                Height::Share,
                "▆·········",
            ),
            (
                vec![
                    stretch(0, 20, Mark::Waiting),
                    stretch(20, 30, Mark::Running),
                ],
                Height::Full,
                "░░█·······",
            ),
            // What failed is never hidden.
            (
                vec![stretch(0, 12, Mark::Failed), stretch(12, 30, Mark::Done)],
                Height::Share,
                "✗✗█·······",
            ),
            // What is outside isn't drawn.
            (
                vec![
                    stretch(-50, 10, Mark::Done),
                    stretch(95, 900, Mark::Running),
                ],
                Height::Share,
                "█········▄",
            ),
            (
                vec![stretch(-50, -10, Mark::Done)],
                Height::Full,
                "··········",
            ),
        ] {
            assert_eq!(drawn(stretches.clone(), height), expected, "{stretches:?}");
        }
    }
}

//! The oracle: a small reader of cron lines, and crond's loop over every minute or second.
//!
//! It shares nothing with the code under test but the zones' offsets.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike};
use chrono_tz::Tz;

/// A change of the clocks by more than this is a new calendar: nothing is made up for.
const LONGEST_SHIFT: i64 = 3 * 3600;

/// A cron line: for each of second, minute, hour, day, month and weekday the values it allows.
pub struct Line {
    allowed: [[bool; 60]; 6],
    star: [bool; 6],
    /// Seconds from one look at the clock to the next.
    pub step: i64,
}

impl Line {
    pub fn read(text: &str) -> Self {
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        let step = if fields.len() == 5 { 60 } else { 1 };
        if step == 60 {
            fields.insert(0, "0");
        }
        let mut line = Self {
            allowed: [[false; 60]; 6],
            star: [false; 6],
            step,
        };
        for (at, field) in fields.into_iter().enumerate() {
            line.star[at] = field.starts_with('*');
            let (low, high) = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)][at];
            for item in field.split(',') {
                let (range, step) = item.split_once('/').unwrap_or((item, "1"));
                let (from, to) = match range.split_once('-') {
                    Some((from, to)) => (number(from), number(to)),
                    None if range == "*" => (low, high),
                    None => (number(range), number(range)),
                };
                for value in (from..=to).step_by(step.parse().expect("a step")) {
                    // Both Sundays are one.
                    line.allowed[at][if at == 5 { value % 7 } else { value }] = true;
                }
            }
        }
        line
    }

    fn on_day(&self, day: u32, month: u32, weekday: u32) -> bool {
        let (by_date, by_weekday) = (self.allows(3, day), self.allows(5, weekday));
        let day = if self.star[3] || self.star[5] {
            by_date && by_weekday
        } else {
            by_date || by_weekday
        };
        day && self.allows(4, month)
    }

    pub fn on_date(&self, date: NaiveDate) -> bool {
        self.on_day(
            date.day(),
            date.month(),
            date.weekday().num_days_from_sunday(),
        )
    }

    fn allows(&self, field: usize, value: u32) -> bool {
        self.allowed[field][value as usize]
    }

    fn matches(&self, fields: [u8; 6]) -> bool {
        let [second, minute, hour, day, month, weekday] = fields.map(u32::from);
        self.allows(1, minute)
            && self.allows(2, hour)
            && self.allows(0, second)
            && self.on_day(day, month, weekday)
    }

    /// The moments in `(from, …]` at which crond would have started the job, had it watched this
    /// clock from its beginning on.
    pub fn watch(&self, wall: &Wall, from: i64) -> Vec<i64> {
        let wildcard = self.star[0] || self.star[1] || self.star[2];
        let mut starts = Vec::new();
        let mut done = wall.looks[0].local - self.step;
        for look in &wall.looks {
            let passed = look.local - done;
            let start = if wildcard {
                self.matches(look.fields)
            } else if passed <= 0 {
                // The clock was put back: all this has been.
                false
            } else if passed == self.step || passed > LONGEST_SHIFT + self.step {
                self.matches(look.fields)
            } else {
                (1..=passed / self.step)
                    .any(|missed| self.matches(fields(done + missed * self.step)))
            };
            done = done.max(look.local);
            if start && look.at > from {
                starts.push(look.at);
            }
        }
        starts
    }
}

fn number(text: &str) -> usize {
    let names = [
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", "jan", "feb", "mar", "apr", "may", "jun",
        "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    match names.iter().position(|name| *name == text) {
        Some(at) if at < 7 => at,
        Some(at) => at - 6,
        None => text.parse().expect("a number or a name"),
    }
}

/// A clock on the wall of a zone, looked at again and again.
pub struct Wall {
    looks: Vec<Look>,
}

struct Look {
    at: i64,
    local: i64,
    fields: [u8; 6],
}

impl Wall {
    /// From some hours before `from`, so that an overlap around it is understood, up to `to`.
    pub fn new(zone: Tz, from: i64, to: i64, step: i64) -> Self {
        let begin = (from - LONGEST_SHIFT - 3600).div_euclid(60) * 60;
        let looks = (begin..=to)
            .step_by(usize::try_from(step).expect("1 or 60"))
            .map(|at| {
                let local = at + offset(zone, at);
                let fields = fields(local);
                Look { at, local, fields }
            })
            .collect();
        Self { looks }
    }
}

/// Seconds that a zone is ahead of UTC at a moment.
pub fn offset(zone: Tz, at: i64) -> i64 {
    let at = DateTime::from_timestamp(at, 0).expect("a date").naive_utc();
    i64::from(zone.offset_from_utc_datetime(&at).fix().local_minus_utc())
}

fn fields(local: i64) -> [u8; 6] {
    let local = DateTime::from_timestamp(local, 0).expect("a date");
    [
        local.second(),
        local.minute(),
        local.hour(),
        local.day(),
        local.month(),
        local.weekday().num_days_from_sunday(),
    ]
    .map(|value| u8::try_from(value).expect("below 60"))
}

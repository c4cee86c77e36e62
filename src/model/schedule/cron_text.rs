//! Reading a cron line, with every mistake at its place.

use std::ops::Range;

use super::cron_fields::{Field, Fields, Set, UNITS, Unit};

/// Names that stand for a whole line, and that line.
pub const NICKNAMES: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A mistake in a cron line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronMistake {
    /// The bytes of the line it is about.
    pub range: Range<usize>,
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// The names one of which was probably meant.
    pub known: Vec<&'static str>,
}

impl CronMistake {
    pub(super) fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            help: None,
            known: Vec::new(),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A part of the line and where it begins.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

impl Piece<'_> {
    fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    fn mistake(self, message: impl Into<String>) -> CronMistake {
        CronMistake::new(self.range(), message)
    }

    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (left, right) = self.text.split_once(separator)?;
        Some((
            Self {
                text: left,
                at: self.at,
            },
            Self {
                text: right,
                at: self.at + left.len() + separator.len_utf8(),
            },
        ))
    }

    fn split(self, separator: impl Fn(char) -> bool) -> impl Iterator<Item = Self> {
        self.text.split(separator).map(move |text| Self {
            text,
            at: self.at + (text.as_ptr() as usize - self.text.as_ptr() as usize),
        })
    }
}

/// Reads a line of five or six fields, or a nickname.
pub(super) fn read_fields(text: &str) -> Result<Fields, Vec<CronMistake>> {
    let whole = Piece { text, at: 0 };
    let pieces: Vec<Piece<'_>> = whole
        .split(char::is_whitespace)
        .filter(|piece| !piece.text.is_empty())
        .collect();
    let Some(first) = pieces.first() else {
        return Err(vec![whole.mistake("an empty text is no schedule")]);
    };
    if first.text.starts_with('@') {
        let line = nickname(*first, pieces.get(1).copied()).map_err(|mistake| vec![mistake])?;
        return read_fields(line);
    }
    let pieces = match pieces.len() {
        5 => [&[Piece { text: "0", at: 0 }], pieces.as_slice()].concat(),
        6 => pieces,
        count => return Err(vec![wrong_count(&pieces, count)]),
    };
    let mut mistakes = Vec::new();
    let fields: Vec<Field> = UNITS
        .iter()
        .zip(&pieces)
        .map(|(unit, piece)| read_field(*piece, unit, &mut mistakes))
        .collect();
    let &[second, minute, hour, day, month, mut weekday] = fields.as_slice() else {
        return Err(vec![whole.mistake("a cron line has 5 or 6 fields")]);
    };
    if weekday.set.contains(7) {
        weekday.set = Set(weekday.set.0 & 0x7f | 1);
    }
    let fields = Fields {
        second,
        minute,
        hour,
        day,
        month,
        weekday,
    };
    if mistakes.is_empty() {
        mistakes.extend(never(&fields, pieces[3], pieces[4]));
    }
    if mistakes.is_empty() {
        Ok(fields)
    } else {
        Err(mistakes)
    }
}

fn nickname(name: Piece<'_>, rest: Option<Piece<'_>>) -> Result<&'static str, CronMistake> {
    let lower = name.text.to_ascii_lowercase();
    if let Some((_, line)) = NICKNAMES.iter().find(|(known, _)| *known == lower) {
        return match rest {
            None => Ok(line),
            Some(rest) => Err(rest.mistake(format!("nothing can follow `{}`", name.text))),
        };
    }
    let mut mistake = name.mistake(format!("`{}` is no schedule", name.text));
    match (lower.as_str(), rest) {
        ("@reboot", _) => {
            mistake.help = Some("a DAG with `schedule: always` starts with the daemon".to_owned());
        }
        ("@every", Some(period)) => {
            mistake.help = Some(format!("write `schedule: {{ every: {} }}`", period.text));
        }
        _ => mistake.known = NICKNAMES.iter().map(|(known, _)| *known).collect(),
    }
    Err(mistake)
}

fn wrong_count(pieces: &[Piece<'_>], count: usize) -> CronMistake {
    let message = format!("a cron line has 5 fields, or 6 with leading seconds; this has {count}");
    let last = pieces[count - 1].range().end;
    if count > 6 {
        return CronMistake::new(pieces[6].at..last, message)
            .help("years can't be given here: use `start` and `end`");
    }
    CronMistake::new(pieces[0].at..last, message)
        .help("minute, hour, day of the month, month, day of the week")
}

fn read_field(piece: Piece<'_>, unit: &Unit, mistakes: &mut Vec<CronMistake>) -> Field {
    let mut field = Field {
        set: Set::default(),
        star: piece.text.starts_with('*'),
    };
    for item in piece.split(|c| c == ',') {
        match read_item(item, unit) {
            Ok((first, last, step)) => {
                for value in (first..=last).step_by(step as usize) {
                    field.set.insert(value);
                }
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    field
}

/// First value, last value and step of `*`, `5`, `1-5`, `*/2` or `1-5/2`.
fn read_item(item: Piece<'_>, unit: &Unit) -> Result<(u32, u32, u32), CronMistake> {
    if item.text.is_empty() {
        // An empty range shows no caret: point at the comma.
        let comma = item.at.saturating_sub(1)..item.at.max(1);
        return Err(CronMistake::new(comma, "nothing stands on one side of `,`"));
    }
    refuse_dialects(item)?;
    let (values, step) = match item.split_once('/') {
        Some((values, step)) => (values, Some(step)),
        None => (item, None),
    };
    let (first, last) = if values.text == "*" {
        // Sunday as 7 would be counted twice by a step.
        let last = if unit.last == 7 { 6 } else { unit.last };
        (unit.first, last)
    } else if let Some((from, to)) = values.split_once('-') {
        if from.text.is_empty() || to.text.is_empty() {
            return Err(values.mistake(format!(
                "`{}` is no range: write both ends, such as `{}-{}`",
                values.text,
                unit.first,
                unit.first + 4
            )));
        }
        let (first, mut last) = (read_value(from, unit)?, read_value(to, unit)?);
        if unit.last == 7 && last == 0 && to.text.eq_ignore_ascii_case("sun") {
            last = 7;
        }
        if first > last {
            return Err(backwards(values, first, last, unit));
        }
        (first, last)
    } else {
        let value = read_value(values, unit)?;
        if let Some(step) = step {
            return Err(item
                .mistake(format!("`{}` has a step but no range", item.text))
                .help(format!(
                    "write `{value}-{}/{}`",
                    unit.last.min(59),
                    step.text
                )));
        }
        (value, value)
    };
    let step = step.map_or(Ok(1), |step| read_step(step, unit))?;
    Ok((first, last, step))
}

fn read_value(piece: Piece<'_>, unit: &Unit) -> Result<u32, CronMistake> {
    let text = piece.text;
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        if let Ok(value) = text.parse()
            && (unit.first..=unit.last).contains(&value)
        {
            return Ok(value);
        }
    } else if let Some(at) = unit.names.iter().position(|n| n.eq_ignore_ascii_case(text)) {
        return Ok(unit.first + u32::try_from(at).unwrap_or(0));
    }
    let mut mistake = piece.mistake(format!("`{text}` is not {}: {}", unit.name, allowed(unit)));
    if text.bytes().all(|b| b.is_ascii_alphabetic()) {
        // Whoever writes a name in full is told the short one.
        let short = unit.names.iter().find(|name| {
            let start = text.get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name))
        });
        match short {
            Some(name) => mistake.help = Some(format!("use the first three letters: `{name}`")),
            None => mistake.known = unit.names.to_vec(),
        }
    }
    Err(mistake)
}

fn allowed(unit: &Unit) -> String {
    let mut text = format!("{} to {}", unit.first, unit.last);
    if let [first, .., last] = unit.names {
        text.push_str(&format!(", or {first} to {last}"));
    }
    text
}

fn read_step(piece: Piece<'_>, unit: &Unit) -> Result<u32, CronMistake> {
    let longest = unit.last - unit.first;
    let text = piece.text;
    let value: Option<u32> = if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    };
    if let Some(value) = value
        && (1..=longest).contains(&value)
    {
        return Ok(value);
    }
    if text.is_empty() {
        let slash = piece.at.saturating_sub(1)..piece.at;
        return Err(CronMistake::new(
            slash,
            "a step must follow `/`, such as `*/5`",
        ));
    }
    let mistake = piece.mistake(format!("`{text}` is not a step: 1 to {longest}"));
    let letter = match unit.name {
        "a second" => "s",
        "a minute" => "m",
        "an hour" => "h",
        _ => return Err(mistake),
    };
    Err(match value {
        Some(value) if value > longest => mistake.help(format!(
            "a step begins anew at {}; for a steady pace use `every: {value}{letter}`",
            unit.first
        )),
        _ => mistake,
    })
}

fn backwards(range: Piece<'_>, first: u32, last: u32, unit: &Unit) -> CronMistake {
    let mistake = range.mistake(format!("the range `{}` runs backwards", range.text));
    let end = if unit.last == 7 { 6 } else { unit.last };
    let part = |from: u32, to: u32| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    };
    mistake.help(format!(
        "write `{},{}`",
        part(first.min(end), end),
        part(unit.first, last)
    ))
}

/// What other programs allow and crontab doesn't.
fn refuse_dialects(item: Piece<'_>) -> Result<(), CronMistake> {
    let text = item.text;
    let mistake = |what: &str| item.mistake(format!("`{what}` isn't part of crontab's language"));
    if text.starts_with('?') {
        return Err(mistake("?").help("write `*`"));
    }
    if text.contains('~') {
        return Err(mistake("~").help("use `jitter` to spread the load"));
    }
    if text.contains('#') {
        return Err(mistake("#").help("days such as the second Monday can't be written"));
    }
    let numbered = |c: char| {
        let rest = text
            .strip_suffix(c)
            .or_else(|| text.strip_suffix(c.to_ascii_lowercase()));
        rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    };
    if numbered('L') {
        return Err(mistake("L").help("the last day can't be written; day 1 of the next month can"));
    }
    if numbered('W') {
        return Err(mistake("W").help("the weekday nearest to a date can't be written"));
    }
    if text == "H" || text.starts_with("H/") || text.starts_with("H(") {
        return Err(mistake("H").help("use `jitter` to spread the load"));
    }
    Ok(())
}

/// Days that no month has.
fn never(fields: &Fields, day: Piece<'_>, month: Piece<'_>) -> Option<CronMistake> {
    let longest = |month: u32| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let earliest = fields.day.set.values().next()?;
    let comes = fields
        .month
        .set
        .values()
        .any(|month| earliest <= longest(month));
    if comes || fields.either_day() {
        return None;
    }
    let few = if day.text.contains([',', '-', '/']) {
        "days"
    } else {
        "day"
    };
    Some(
        CronMistake::new(
            day.at..month.range().end,
            format!("{few} `{}` never comes in month `{}`", day.text, month.text),
        )
        .help("February has at most 29 days; April, June, September and November have 30"),
    )
}

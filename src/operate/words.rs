//! Counts and lists as people say them.

use std::time::Duration;

/// Bytes: `734 B`, `1.2 kB`, `83.4 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64;
    if count < 1000 {
        return format!("{count} B");
    }
    for unit in ["kB", "MB", "GB"] {
        value /= 1000.0;
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} TB", value / 1000.0)
}

/// A count with its thousands apart: `1,618,271`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `a`, `a and b`, `a, b and c`; of many the first few.
#[must_use]
pub fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 6;
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= MOST => format!("{} and {last}", first.join(", ")),
        _ => format!(
            "{} and {} more",
            names[..MOST].join(", "),
            names.len() - MOST
        ),
    }
}

/// A count and its noun.
#[must_use]
pub fn plural(number: usize, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", count(number as u64))
    }
}
/// Rows and bytes, and the rate of what took long enough to have one.
#[must_use]
pub fn moved(rows: u64, size: u64, took: Duration) -> Option<String> {
    let mut facts = Vec::new();
    if rows > 0 {
        let noun = if rows == 1 { "row" } else { "rows" };
        facts.push(format!("{} {noun}", count(rows)));
    }
    if size > 0 {
        facts.push(bytes(size));
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if millis >= 500 {
            facts.push(format!("{}/s", bytes(size.saturating_mul(1000) / millis)));
        }
    }
    (!facts.is_empty()).then(|| facts.join("  "))
}

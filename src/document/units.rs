//! Values with units: durations and sizes.

use std::time::Duration;

/// What [`parse_duration`] accepts, for JSON Schema.
pub const DURATION_PATTERN: &str = r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*)+$";
/// What [`parse_size`] accepts, for JSON Schema.
pub const SIZE_PATTERN: &str = r"^\s*\d+(\.\d+)?\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)\s*$";

/// Reads a duration: numbers with the units `ms`, `s`, `m`, `h`, `d` (24 h) and `w` (7 d), added up.
///
/// # Errors
/// What is wrong, for a person.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("an empty text is no duration".to_owned());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest).ok_or_else(|| {
            if rest == text {
                format!("`{text}` is no duration: it begins with a number")
            } else {
                format!("`{text}` is no duration: expected a number at `{rest}`")
            }
        })?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "" => {
                return Err(format!(
                    "`{text}` has no unit: use `ms`, `s`, `m`, `h`, `d` or `w`"
                ));
            }
            other => {
                return Err(format!(
                    "`{other}` is no unit of time: use `ms`, `s`, `m`, `h`, `d` or `w`"
                ));
            }
        };
        // Milliseconds are exact to a decimal place that a person would type.
        let part = Duration::try_from_secs_f64(number * seconds)
            .map_err(|_| format!("`{text}` is too long"))?;
        let part = Duration::from_micros(u64::try_from(part.as_micros()).unwrap_or(u64::MAX));
        total = total
            .checked_add(part)
            .ok_or_else(|| format!("`{text}` is too long"))?;
        rest = after.trim_start();
    }
    // A year has at most 366 days; a hundred of them is surely a mistake and keeps dates in range.
    if total > Duration::from_hours(24 * 366 * 100) {
        return Err(format!("`{text}` is longer than a hundred years"));
    }
    Ok(total)
}

/// Reads a size in bytes: a number with a decimal (`kB`, `MB`, `GB`, `TB`) or binary (`KiB`, `MiB`,
/// `GiB`, `TiB`) unit, or `B`.
///
/// # Errors
/// What is wrong, for a person.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit, after) =
        number_and_unit(text.trim()).ok_or_else(|| format!("`{text}` is no size"))?;
    if !after.trim().is_empty() {
        return Err(format!("`{text}` is no size: `{after}` is left over"));
    }
    let factor: f64 = match unit {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => {
            return Err(format!(
                "`{text}` has no unit of size: use `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`"
            ));
        }
    };
    let bytes = number * factor;
    if bytes > 1e15 {
        return Err(format!("`{text}` is more than 1000 TB"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 0 and 1e15"
    )]
    Ok(bytes.round() as u64)
}

/// Splits `1.5h rest` into its number, its unit and what follows.
fn number_and_unit(text: &str) -> Option<(f64, &str, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let rest = text[end..].trim_start();
    let end = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    Some((number, &rest[..end], &rest[end..]))
}

/// A duration as a person would write it: `1h30m`, `2.5s`, `40ms`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    if millis < 1000 {
        return format!("{millis}ms");
    }
    if millis < 60_000 {
        let text = format!("{:.1}", duration.as_secs_f64());
        return format!("{}s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let mut seconds = duration.as_secs();
    let mut text = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        let count = seconds / length;
        seconds %= length;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_durations_are_explained() {
        for (text, part) in [
            ("", "empty"),
            ("5", "no unit"),
            ("5x", "`x` is no unit"),
            ("m", "begins with a number"),
            ("-5s", "begins with a number"),
            ("1..5s", "begins with a number"),
            ("5m-3s", "expected a number at `-3s`"),
            ("999999999w", "hundred years"),
            ("1e400s", "no unit of time"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("10 MB"), Ok(10_000_000));
        assert_eq!(parse_size("1.5kB"), Ok(1500));
        for text in ["64", "MiB", "1MiB2", "99999TB", "1 Mib"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "40ms", "2.5s", "59s", "5m", "1h30m", "2d3h"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}

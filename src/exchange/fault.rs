//! What can go wrong on purpose.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::document::units::parse_duration;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The answer comes later.
    Latency(Duration),
    /// Another status, with an empty JSON object.
    Status(u16),
    /// The API's own answer to one who asks too often, with or without `Retry-After`.
    Throttle(Option<u64>),
    /// The connection ends after so many bytes of the body.
    Truncate(usize),
    /// After so many bytes of the body nothing comes any more, and the connection stays open.
    Stall(usize),
    /// So many bytes of the body a second.
    Dribble(usize),
    /// Numbers, also those in texts, become texts that are none.
    Types,
}

/// A fault, for which requests, and how often.
///
/// As text: `[<part of a path>:]<fault>[=<value>][*<times>]`, such as `latency=200ms`,
/// `bitso:throttle=2s*3` or `status=500*1`. The faults: `latency=<duration>`, `status=<status>`,
/// `throttle[=<duration>]`, `truncate=<bytes>`, `stall=<bytes>`, `dribble=<bytes a second>`, `types`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    path: String,
    pub(super) fault: Fault,
    /// How often it still happens; always when there is no number.
    left: Option<u32>,
}

impl FaultRule {
    /// Whether it happens to a request of this path; counts it.
    pub(super) fn strikes(&mut self, path: &str) -> bool {
        if !path.contains(&self.path) || self.left == Some(0) {
            return false;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        true
    }
}

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` is no fault: {what}");
        let (path, rest) = text.rsplit_once(':').unwrap_or(("", text));
        let (rest, left) = match rest.split_once('*') {
            Some((rest, times)) => {
                let times = times.parse();
                (
                    rest,
                    Some(times.map_err(|_| wrong("expected a number of times behind `*`"))?),
                )
            }
            None => (rest, None),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (rest.trim(), None),
        };
        let number = || {
            let value = value.and_then(|value| value.parse().ok());
            value.ok_or_else(|| wrong(&format!("`{name}` needs a number, such as `{name}=100`")))
        };
        let duration = |value: &str| parse_duration(value).map_err(|problem| wrong(&problem));
        let fault = match name {
            "latency" => Fault::Latency(duration(value.unwrap_or_default())?),
            "status" => {
                let status = number()?;
                let status = u16::try_from(status)
                    .ok()
                    .filter(|s| (200..600).contains(s));
                Fault::Status(status.ok_or_else(|| wrong("a status is from 200 to 599"))?)
            }
            "throttle" => {
                let after = value.map(duration).transpose()?;
                Fault::Throttle(after.map(|after| after.as_secs()))
            }
            "truncate" => Fault::Truncate(number()?),
            "stall" => Fault::Stall(number()?),
            "dribble" => Fault::Dribble(number()?.max(1)),
            "types" => Fault::Types,
            _ => {
                let known =
                    "`latency`, `status`, `throttle`, `truncate`, `stall`, `dribble`, `types`";
                return Err(wrong(&format!("expected one of {known}")));
            }
        };
        Ok(Self {
            path: path.trim().to_owned(),
            fault,
            left,
        })
    }
}

/// The same JSON with texts where numbers were.
pub(super) fn with_wrong_types(value: Value) -> Value {
    match value {
        Value::Number(_) => Value::String("n/a".to_owned()),
        Value::String(text) if text.parse::<serde_json::Number>().is_ok() => {
            Value::String("n/a".to_owned())
        }
        Value::Array(items) => items.into_iter().map(with_wrong_types).collect(),
        Value::Object(entries) => {
            let wrong = |(key, value)| (key, with_wrong_types(value));
            Value::Object(entries.into_iter().map(wrong).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_are_read() {
        let rule = |text: &str| text.parse::<FaultRule>();
        let some = |path: &str, fault, left| {
            Ok(FaultRule {
                path: path.to_owned(),
                fault,
                left,
            })
        };
        assert_eq!(
            rule("latency=200ms"),
            some("", Fault::Latency(Duration::from_millis(200)), None)
        );
        assert_eq!(
            rule("bitso:throttle=2s*3"),
            some("bitso", Fault::Throttle(Some(2)), Some(3))
        );
        assert_eq!(rule("throttle"), some("", Fault::Throttle(None), None));
        assert_eq!(
            rule("/coins/zcash:status=500*1"),
            some("/coins/zcash", Fault::Status(500), Some(1))
        );
        for wrong in [
            "",
            "statsu=500",
            "status=99",
            "status",
            "truncate=x",
            "types*x",
            "latency=5",
        ] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let mut rule: FaultRule = "bitso:types*2".parse().expect("a fault");
        let struck = ["/kraken", "/bitso/a", "/bitso/b", "/bitso/c"].map(|path| rule.strikes(path));
        assert_eq!(struck, [false, true, true, false]);
    }

    #[test]
    fn numbers_become_texts() {
        let wrong = with_wrong_types(json!({ "a": [1, "2.5", "x", null] }));
        assert_eq!(wrong, json!({ "a": ["n/a", "n/a", "x", null] }));
    }
}

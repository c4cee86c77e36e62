//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

/// Metrics as they are written, family by family.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

/// A name and a value.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Exposition {
    /// Something that goes up and down, with one value.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help).value(&[], value);
    }

    /// Something that only grows, with one value.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "counter", help).value(&[], value);
    }

    /// A family of which the values follow.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        // Writing into a string doesn't fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family {
            name,
            text: &mut self.text,
        }
    }

    /// What was written.
    pub(super) fn text(self) -> String {
        self.text
    }
}

/// Values of one name that differ in their labels.
pub(super) struct Family<'a> {
    name: &'a str,
    text: &'a mut String,
}

impl Family<'_> {
    /// A value.
    pub(super) fn value(&mut self, labels: &[Label<'_>], value: f64) {
        self.line("", labels, value);
    }

    /// Durations: how many are within each bound, in microseconds (`None`: beyond all), not
    /// cumulative and in order, and the sum of all in microseconds.
    pub(super) fn histogram(
        &mut self,
        labels: &[Label<'_>],
        buckets: impl IntoIterator<Item = (Option<u64>, u64)>,
        micros: u64,
    ) {
        let mut total = 0;
        for (bound, count) in buckets {
            total += count;
            let bound = bound.map_or("+Inf".to_owned(), |bound| seconds(bound).to_string());
            let all: Vec<Label<'_>> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.line("_bucket", &all, float(total));
        }
        self.line("_sum", labels, seconds(micros));
        self.line("_count", labels, float(total));
    }

    fn line(&mut self, part: &str, labels: &[Label<'_>], value: f64) {
        self.text.push_str(self.name);
        self.text.push_str(part);
        for (place, (name, value)) in labels.iter().enumerate() {
            self.text.push(if place == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A count as a value.
#[expect(clippy::cast_precision_loss, reason = "values are 64-bit floats there")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Microseconds in the base unit of durations.
pub(super) fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative_and_labels_are_escaped() {
        let mut text = Exposition::default();
        let mut family = text.family("took_seconds", "histogram", "How long.");
        let buckets = [(Some(10_000), 2), (Some(1_000_000), 0), (None, 1)];
        family.histogram(&[("dag", "a\"\\\nb")], buckets, 2_500_000);
        let label = r#"dag="a\"\\\nb""#;
        assert_eq!(
            text.text(),
            format!(
                "# HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
                 took_seconds_bucket{{{label},le=\"0.01\"}} 2\n\
                 took_seconds_bucket{{{label},le=\"1\"}} 2\n\
                 took_seconds_bucket{{{label},le=\"+Inf\"}} 3\n\
                 took_seconds_sum{{{label}}} 2.5\ntook_seconds_count{{{label}}} 3\n"
            )
        );
    }
}

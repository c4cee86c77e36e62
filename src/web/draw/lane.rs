//! A stretch of time as a lane: bars where something waited and worked, as wide as the page.

use super::text::escape;
use crate::model::Timestamp;
use crate::operate::tone::Tone;

/// A part of a lane.
#[derive(Debug, Clone)]
pub struct Stretch {
    pub from: Timestamp,
    pub until: Timestamp,
    /// `None`: it waited for its turn.
    pub tone: Option<Tone>,
    pub title: String,
}

/// Draws what is in `span`. Widths are shares of the whole, so that the lane is as wide as its place.
#[must_use]
pub fn lane(stretches: &[Stretch], span: (Timestamp, Timestamp)) -> String {
    let mut svg = String::from(r#"<svg class="lane" width="100%" height="18" aria-hidden="true">"#);
    for stretch in stretches {
        let (from, until) = (share(stretch.from, span), share(stretch.until, span));
        if stretch.until < span.0 || stretch.from > span.1 {
            continue;
        }
        let width = (until - from).max(0.0);
        let (class, top, height) = match stretch.tone {
            Some(tone) => (tone.class(), 3, 12),
            None => ("queue", 8, 2),
        };
        svg.push_str(&format!(
            r#"<g class="{class}"><title>{}</title><rect x="{from:.2}%" y="{top}" width="{width:.2}%" height="{height}"/>"#,
            escape(&stretch.title)
        ));
        if stretch.tone.is_some() {
            // What is shorter than a pixel is seen all the same.
            svg.push_str(&format!(
                r#"<rect x="{from:.2}%" y="{top}" width="2" height="{height}"/>"#
            ));
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg
}

/// The head of some lanes: ticks at round moments, with what `label` says of them.
#[must_use]
pub fn scale(ticks: &[(Timestamp, String)], span: (Timestamp, Timestamp)) -> String {
    let mut svg =
        String::from(r#"<svg class="scale" width="100%" height="16" aria-hidden="true">"#);
    for (at, label) in ticks {
        let place = share(*at, span);
        // A label at the right edge would be cut.
        let anchor = if place > 92.0 { "end" } else { "start" };
        let shift = if place > 92.0 { -3 } else { 3 };
        svg.push_str(&format!(
            r#"<rect class="tick" x="{place:.2}%" y="0" width="1" height="16"/><text x="{place:.2}%" dx="{shift}" y="11" text-anchor="{anchor}">{}</text>"#,
            escape(label)
        ));
    }
    svg.push_str("</svg>");
    svg
}

/// Round moments after the beginning: seconds since then, with their labels.
#[must_use]
pub fn ticks_since(span: (Timestamp, Timestamp), most: usize) -> Vec<(Timestamp, String)> {
    const STEPS: [i64; 23] = [
        10,
        20,
        50,
        100,
        200,
        500,
        1_000,
        2_000,
        5_000,
        10_000,
        15_000,
        30_000,
        60_000,
        120_000,
        300_000,
        600_000,
        900_000,
        1_800_000,
        3_600_000,
        7_200_000,
        21_600_000,
        86_400_000,
        604_800_000,
    ];
    let total = (span.1 - span.0).num_milliseconds().max(1);
    let most = i64::try_from(most.max(1)).unwrap_or(1);
    let fits = STEPS.into_iter().find(|step| total / step <= most);
    let step = fits.unwrap_or(total / most + 1);
    (0..=total / step)
        .map(|count| {
            let after = count * step;
            let at = span.0 + chrono::TimeDelta::milliseconds(after);
            (at, label(after))
        })
        .collect()
}

fn label(milliseconds: i64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    match seconds {
        _ if rest > 0 => format!("{}s", format!("{seconds}.{rest:03}").trim_end_matches('0')),
        0..120 => format!("{seconds}s"),
        120..7200 if seconds % 60 == 0 => format!("{}m", seconds / 60),
        120..7200 => format!("{}m{}s", seconds / 60, seconds % 60),
        7200..172_800 if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        7200..172_800 => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Where a moment stands in a span, in percent.
fn share(at: Timestamp, span: (Timestamp, Timestamp)) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share of some pixels")]
    let part = |length: chrono::TimeDelta| length.num_milliseconds() as f64;
    let total = part(span.1 - span.0).max(1.0);
    (part(at - span.0) / total * 100.0).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn stretches_are_shares_of_the_span() {
        let stretch = |from, until, tone| Stretch {
            from: at(from),
            until: at(until),
            tone,
            title: "a & b".to_owned(),
        };
        let stretches = [
            stretch(0, 10, None),
            stretch(10, 60, Some(Tone::Failed)),
            stretch(90, 200, Some(Tone::Running)),
            stretch(150, 200, Some(Tone::Running)),
        ];
        let svg = lane(&stretches, (at(0), at(100)));
        assert!(svg.contains(r#"x="0.00%" y="8" width="10.00%""#), "{svg}");
        assert!(svg.contains(r#"x="10.00%" y="3" width="50.00%""#), "{svg}");
        assert!(svg.contains(r#"x="90.00%" y="3" width="10.00%""#), "{svg}");
        assert_eq!(svg.matches("<g ").count(), 3);
        assert!(svg.contains("a &amp; b"), "{svg}");
    }

    #[test]
    fn ticks_are_round() {
        let labels = |seconds| -> Vec<String> {
            let ticks = ticks_since((at(0), at(seconds)), 6);
            ticks.into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(1), ["0s", "0.2s", "0.4s", "0.6s", "0.8s", "1s"]);
        assert_eq!(labels(90), ["0s", "15s", "30s", "45s", "60s", "75s", "90s"]);
        assert_eq!(labels(9000), ["0s", "30m", "60m", "90m", "2h", "2h30m"]);
        assert_eq!(labels(0), ["0s"]);
    }
}

//! The last runs as bars: the height is the duration, the colour the state.

use super::layers::number;
use super::text::{escape, px};
use crate::operate::tone::Tone;

/// A run.
#[derive(Debug, Clone)]
pub struct Bar {
    pub tone: Tone,
    /// Seconds; `None`: it hasn't begun.
    pub seconds: Option<f64>,
    /// What is said of it.
    pub title: String,
    pub link: String,
}

/// Bars of one height, each a link; the newest is at the right. `width` is that of one with its gap,
/// and there is room for `most`.
#[must_use]
pub fn bars(bars: &[Bar], (width, height): (f64, f64), most: usize) -> String {
    let shown = &bars[bars.len().saturating_sub(most)..];
    let longest = shown.iter().filter_map(|bar| bar.seconds);
    let longest = longest.fold(0.001, f64::max);
    let total = width * number(most);
    let mut svg = format!(
        r#"<svg class="bars" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="group" aria-label="the last {2} runs">"#,
        px(total),
        px(height),
        shown.len()
    );
    let first = total - width * number(shown.len());
    for (at, bar) in shown.iter().enumerate() {
        let share = bar.seconds.unwrap_or(0.0) / longest;
        let tall = 3.0 + (height - 3.0) * share;
        let left = first + width * number(at);
        svg.push_str(&format!(
            r#"<a class="{}" href="{}"><title>{}</title><rect class="reach" x="{}" y="0" width="{}" height="{}"/><rect class="bar" x="{}" y="{}" width="{}" height="{}"/>"#,
            bar.tone.class(),
            escape(&bar.link),
            escape(&bar.title),
            px(left),
            px(width),
            px(height),
            px(left),
            px(height - tall),
            px(width - 2.0),
            px(tall)
        ));
        // A failure is seen without its colour: it has a gap in its middle.
        if matches!(
            bar.tone,
            Tone::Failed | Tone::Interrupted | Tone::UpstreamFailed
        ) {
            svg.push_str(&format!(
                r#"<rect class="cut" x="{}" y="{}" width="{}" height="1.5"/>"#,
                px(left),
                px(height - 4.5),
                px(width - 2.0)
            ));
        }
        svg.push_str("</a>");
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(seconds: f64, tone: Tone) -> Bar {
        Bar {
            tone,
            seconds: Some(seconds),
            title: "<b>".to_owned(),
            link: "/runs/1".to_owned(),
        }
    }

    #[test]
    fn the_longest_fills_the_height_and_a_failure_has_a_gap() {
        let svg = bars(
            &[bar(1.0, Tone::Success), bar(4.0, Tone::Failed)],
            (6.0, 20.0),
            10,
        );
        assert!(svg.contains(r#"y="0" width="4" height="20""#), "{svg}");
        assert!(svg.contains(r#"y="12.8" width="4" height="7.2""#), "{svg}");
        assert_eq!(svg.matches("class=\"cut\"").count(), 1);
        assert!(!svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn only_the_newest_have_room() {
        let many: Vec<Bar> = (0..30).map(|_| bar(1.0, Tone::Success)).collect();
        assert_eq!(bars(&many, (6.0, 20.0), 20).matches("<a ").count(), 20);
    }
}

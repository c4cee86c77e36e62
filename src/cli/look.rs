//! How the terminal output looks: few colours, and only where they mean something.

use anstyle::{AnsiColor, Style};

use crate::model::{Outcome, RunState};
pub use crate::operate::words::{bytes, count};

pub const ERROR: Style = AnsiColor::Red.on_default().bold();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const BUSY: Style = AnsiColor::Cyan.on_default();
pub const WARN: Style = AnsiColor::Yellow.on_default();
pub const FAINT: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();

/// The colour of a run's state.
pub fn run_state(state: RunState) -> Style {
    match state {
        RunState::Success => GOOD,
        RunState::Failed => BAD,
        RunState::Cancelled | RunState::Cancelling => WARN,
        RunState::Queued | RunState::Running => BUSY,
    }
}

/// The sign, the word and the colour of a task's end.
pub fn outcome(outcome: &Outcome) -> (&'static str, &'static str, Style) {
    match outcome {
        Outcome::Success => ("✓", "success", GOOD),
        Outcome::Failed(_) => ("✗", "failed", BAD),
        Outcome::Skipped => ("○", "skipped", FAINT),
        Outcome::UpstreamFailed => ("○", "upstream failed", WARN),
        Outcome::Cancelled => ("■", "cancelled", WARN),
    }
}

/// A text cut or filled to a width of terminal cells.
pub fn fit(text: &str, width: usize) -> String {
    use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};
    let own = text.width();
    if own <= width {
        return format!("{text}{}", " ".repeat(width - own));
    }
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        let cells = character.width().unwrap_or(0);
        if used + cells + 1 > width {
            break;
        }
        used += cells;
        cut.push(character);
    }
    cut.push('…');
    cut.push_str(&" ".repeat(width.saturating_sub(used + 1)));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 5), "abcd…");
        assert_eq!(fit("日本語", 5), "日本…");
    }
}

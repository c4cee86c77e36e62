//! Text with the terminal's colours (SGR, ECMA-48) as HTML: classes of the style sheet.

use super::text::escape;

/// What holds for the text that follows.
#[derive(Default, Clone, PartialEq, Eq)]
struct Look {
    colour: Option<u32>,
    bold: bool,
    faint: bool,
    italic: bool,
    underline: bool,
}

impl Look {
    fn classes(&self) -> String {
        let mut classes = Vec::new();
        classes.extend(self.colour.map(|colour| format!("c{colour}")));
        for (on, class) in [
            (self.bold, "t1"),
            (self.faint, "t2"),
            (self.italic, "t3"),
            (self.underline, "t4"),
        ] {
            if on {
                classes.push(class.to_owned());
            }
        }
        classes.join(" ")
    }

    fn apply(&mut self, codes: &str) {
        let mut codes = codes
            .split(';')
            .map(|code| code.parse::<u32>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.colour = Some(code - 30),
                90..=97 => self.colour = Some(code - 90),
                39 => self.colour = None,
                // Colours of a palette: their numbers are no codes of their own.
                38 | 48 => match codes.next() {
                    Some(5) => drop(codes.next()),
                    Some(2) => drop((codes.next(), codes.next(), codes.next())),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

/// The text as HTML. What else a terminal is told is left out.
#[must_use]
pub fn ansi(text: &str) -> String {
    if !text.contains('\u{1b}') {
        return escape(text);
    }
    let mut html = String::with_capacity(text.len() + 64);
    let mut look = Look::default();
    let mut parts = text.split('\u{1b}');
    html.push_str(&escape(parts.next().unwrap_or_default()));
    for part in parts {
        let rest = if let Some(sequence) = part.strip_prefix('[') {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c));
            let Some(end) = end else { continue };
            let (codes, rest) = sequence.split_at(end);
            if let Some(rest) = rest.strip_prefix('m') {
                look.apply(codes);
                rest
            } else {
                rest.get(1..).unwrap_or_default()
            }
        } else {
            // Two characters, such as a change of the character set.
            let mut letters = part.chars();
            letters.next();
            letters.as_str()
        };
        if rest.is_empty() {
            continue;
        }
        let classes = look.classes();
        if classes.is_empty() {
            html.push_str(&escape(rest));
        } else {
            html.push_str(&format!(
                "<span class=\"{classes}\">{}</span>",
                escape(rest)
            ));
        }
    }
    html
}

/// The text without what only a terminal understands.
#[must_use]
pub fn without_ansi(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.strip_prefix('[').map_or_else(
            || {
                part.chars()
                    .next()
                    .map_or("", |first| &part[first.len_utf8()..])
            },
            |sequence| {
                let end = sequence.find(|c: char| ('@'..='~').contains(&c));
                end.and_then(|end| sequence.get(end + 1..))
                    .unwrap_or_default()
            },
        );
        plain.push_str(rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes() {
        for (text, expected) in [
            ("plain <b>", "plain &lt;b&gt;"),
            (
                "\u{1b}[32mok\u{1b}[0m done",
                "<span class=\"c2\">ok</span> done",
            ),
            ("\u{1b}[1;31mbad", "<span class=\"c1 t1\">bad</span>"),
            ("\u{1b}[38;5;196mred\u{1b}[39m", "red"),
            ("\u{1b}[2K\u{1b}[1Gline", "line"),
            (
                "\u{1b}[31m<script>",
                "<span class=\"c1\">&lt;script&gt;</span>",
            ),
            ("cut \u{1b}[3", "cut "),
        ] {
            assert_eq!(ansi(text), expected, "{text:?}");
        }
        assert_eq!(without_ansi("\u{1b}[32mok\u{1b}[0m ä\u{1b}(Bx"), "ok äBx");
    }
}

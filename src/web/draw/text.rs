//! Text inside of markup.

/// A text that stands for itself in HTML and SVG, between tags and in attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no place for them.
            control if control.is_control() && !matches!(control, '\n' | '\t') => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// A text of at most so many letters, cut in its middle: the ends of names tell them apart.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let tail = most.saturating_sub(1) / 2;
    let head = most.saturating_sub(1) - tail;
    let (start, end) = (&letters[..head], &letters[letters.len() - tail..]);
    start.iter().chain(&['…']).chain(end).collect()
}

/// A length in pixels, as short as it is exact enough.
#[must_use]
pub fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        let text = "<script>alert('x' & \"y\")</script>\u{1b}[31m";
        let expected =
            "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;\u{fffd}[31m";
        assert_eq!(escape(text), expected);
    }

    #[test]
    fn names_are_cut_in_their_middle() {
        assert_eq!(shortened("load_deposits", 20), "load_deposits");
        assert_eq!(shortened("load_deposits_of_2026", 9), "load…2026");
    }
}

//! What differs between two texts, line by line.

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Both,
    /// Only in the old text.
    Old,
    /// Only in the new text.
    New,
}

/// Lines that are compared one with another; of larger middles all are told as changed.
const MOST: usize = 2000;

/// The lines of both texts in their order, with as many in common as there can be.
#[must_use]
pub fn difference<'a>(old: &'a str, new: &'a str) -> Vec<(Side, &'a str)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (rest_old, rest_new) = (&old[start..], &new[start..]);
    let both = rest_old.iter().rev().zip(rest_new.iter().rev());
    let end = both.take_while(|(a, b)| a == b).count();
    let (a, b) = (
        &rest_old[..rest_old.len() - end],
        &rest_new[..rest_new.len() - end],
    );
    let same = |line: &&'a str| (Side::Both, *line);
    let mut lines: Vec<(Side, &str)> = old[..start].iter().map(same).collect();
    if a.len() > MOST || b.len() > MOST {
        lines.extend(a.iter().map(|line| (Side::Old, *line)));
        lines.extend(b.iter().map(|line| (Side::New, *line)));
    } else {
        lines.extend(middle(a, b));
    }
    lines.extend(rest_old[rest_old.len() - end..].iter().map(same));
    lines
}

/// The longest common part, by dynamic programming over both.
fn middle<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(Side, &'a str)> {
    let width = b.len() + 1;
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for (i, line) in a.iter().enumerate().rev() {
        for (j, other) in b.iter().enumerate().rev() {
            longest[i * width + j] = if line == other {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(a.len() + b.len());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push((Side::Both, a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            lines.push((Side::Old, a[i]));
            i += 1;
        } else {
            lines.push((Side::New, b[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signs(old: &str, new: &str) -> String {
        let sign = |(side, line): &(Side, &str)| match side {
            Side::Both => format!(" {line}"),
            Side::Old => format!("-{line}"),
            Side::New => format!("+{line}"),
        };
        let lines: Vec<String> = difference(old, new).iter().map(sign).collect();
        lines.join("|")
    }

    #[test]
    fn few_lines_differ() {
        assert_eq!(signs("a\nb\nc", "a\nx\nc"), " a|-b|+x| c");
        assert_eq!(signs("a\nb", "a\nb"), " a| b");
        assert_eq!(signs("", "a"), "+a");
        assert_eq!(signs("a\nb\nc\nd", "b\nd\ne"), "-a| b|-c| d|+e");
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_from_it(old in "([abc]\n){0,12}", new in "([abc]\n){0,12}") {
            let lines = difference(&old, &new);
            let of = |not: Side| -> String {
                let own = lines.iter().filter(|(side, _)| *side != not);
                own.map(|(_, line)| format!("{line}\n")).collect()
            };
            prop_assert_eq!(of(Side::New), old.as_str());
            prop_assert_eq!(of(Side::Old), new.as_str());
        }
    }
}

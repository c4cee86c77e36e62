//! Where values are put into a statement: `:name`, `:"name"` and `{{ expression }}`.

use std::ops::Range;

use super::lexer::{Atom, AtomKind, continues_word};
use super::script::Mistake;

/// A place of a statement that is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Bytes of the script.
    pub range: Range<usize>,
    pub kind: HoleKind,
}

/// What fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoleKind {
    /// `:name`: the bound value of a name.
    Value(String),
    /// `:"name"`: the text of a name as a quoted identifier, such as a table.
    Identifier(String),
    /// `{{ … }}`, braces included: the bound value of an expression.
    Expression(String),
}

/// The holes of a statement's atoms, blanks left out.
pub(super) fn find_holes(sql: &str, atoms: &[Atom], mistakes: &mut Vec<Mistake>) -> Vec<Hole> {
    let mut holes = Vec::new();
    // For each open bracket whether it is a subscript, where `:` makes a slice.
    let mut brackets: Vec<bool> = Vec::new();
    let mut index = 0;
    while let Some(atom) = atoms.get(index) {
        let before = index.checked_sub(1).map(|before| &atoms[before]);
        index += 1;
        match atom.kind {
            AtomKind::Expression => holes.push(Hole {
                range: atom.range.clone(),
                kind: HoleKind::Expression(normal(atom.text(sql))),
            }),
            AtomKind::Position => mistakes.push(Mistake {
                code: "sql-position",
                message: format!("`{}` has no value here", atom.text(sql)),
                range: atom.range.clone(),
                help: Some("name a parameter, such as `:day`".to_owned()),
            }),
            AtomKind::Symbol if atom.is_symbol(sql, '[') => {
                let constructor = before.is_some_and(|before| before.is_word(sql, "array"))
                    || (before.is_some_and(|before| {
                        before.is_symbol(sql, '[') || before.is_symbol(sql, ',')
                    }) && brackets.last() == Some(&false));
                brackets.push(!constructor);
            }
            AtomKind::Symbol if atom.is_symbol(sql, '(') => brackets.push(false),
            AtomKind::Symbol if atom.is_symbol(sql, ']') || atom.is_symbol(sql, ')') => {
                brackets.pop();
            }
            AtomKind::Symbol if atom.is_symbol(sql, ':') => {
                let slice = brackets.last() == Some(&true)
                    && !before.is_some_and(|before| before.is_symbol(sql, '['));
                let Some(next) = atoms.get(index) else {
                    continue;
                };
                if slice || glued(sql, atom) || next.range.start != atom.range.end {
                    continue;
                }
                let Some(kind) = named(next, sql) else {
                    continue;
                };
                holes.push(Hole {
                    range: atom.range.start..next.range.end,
                    kind,
                });
                index += 1;
            }
            _ => {}
        }
    }
    holes
}

fn named(atom: &Atom, sql: &str) -> Option<HoleKind> {
    let text = atom.text(sql);
    match atom.kind {
        AtomKind::Word => Some(HoleKind::Value(text.to_owned())),
        AtomKind::Quoted if text.starts_with('"') && atom.closed => {
            Some(HoleKind::Identifier(text[1..text.len() - 1].to_owned()))
        }
        // psql's `:'name'`.
        AtomKind::Text if text.starts_with('\'') && atom.closed => {
            Some(HoleKind::Value(text[1..text.len() - 1].to_owned()))
        }
        _ => None,
    }
}

/// Whether the colon continues a word or another colon.
fn glued(sql: &str, colon: &Atom) -> bool {
    let before = colon.range.start.checked_sub(1);
    before.is_some_and(|at| {
        let byte = sql.as_bytes()[at];
        byte == b':' || continues_word(byte)
    })
}

/// Equal expressions have equal texts, whatever their spaces.
fn normal(expression: &str) -> String {
    let inner = expression
        .trim_start_matches("{{")
        .trim_end_matches("}}")
        .trim();
    format!("{{{{ {inner} }}}}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Dialect, Script};
    use super::*;

    fn holes(sql: &str) -> Vec<String> {
        let script = Script::parse(&Arc::from(sql), Dialect::Postgres);
        script
            .statements
            .iter()
            .flat_map(|statement| &statement.holes)
            .map(|hole| match &hole.kind {
                HoleKind::Value(name) => name.clone(),
                HoleKind::Identifier(name) => format!("\"{name}\""),
                HoleKind::Expression(text) => text.clone(),
            })
            .collect()
    }

    #[test]
    fn parameters_are_found_and_other_colons_are_left() {
        for (sql, expected) in [
            ("select :day", vec!["day"]),
            ("select x::date, :day::date", vec!["day"]),
            (
                "select ':day', \":day\", $$:day$$ -- :day\n/* :day */",
                vec![],
            ),
            ("select a[1:n]", vec![]),
            ("select a[:n]", vec!["n"]),
            ("select a[1:n], :n", vec!["n"]),
            (
                "select a[b:c], array[:a, :b], array[[:c]]",
                vec!["a", "b", "c"],
            ),
            ("select a[(:i)], a[f(1, :j):k]", vec!["i", "j"]),
            ("select * from :\"table\"", vec!["\"table\""]),
            ("select :'name'", vec!["name"]),
            ("select x:y", vec![]),
            ("a := 5", vec![]),
            (
                "select {{ params.a }}, {{params.a}}, '{{1,2},{3,4}}'",
                vec!["{{ params.a }}", "{{ params.a }}"],
            ),
            ("select (:a, :b)", vec!["a", "b"]),
            ("limit :n", vec!["n"]),
            ("x=:n", vec!["n"]),
            ("select E'\\':a', :b", vec!["b"]),
            ("select :ünï", vec!["ünï"]),
        ] {
            assert_eq!(holes(sql), expected, "{sql}");
        }
    }

    #[test]
    fn the_same_value_has_one_number() {
        let sql = "select :a, é, :b, :a from :\"t\" where {{ x }} = {{x}}";
        let script = Script::parse(&Arc::from(sql), Dialect::Postgres);
        let statement = &script.statements[0];
        let positional = script
            .positional(statement, |name| Ok::<_, ()>(format!("my {name}\"")))
            .unwrap();
        assert_eq!(
            positional.sql.text(),
            "select $1, é, $2, $1 from \"my t\"\"\" where $3 = $3"
        );
        assert_eq!(positional.bound, [0, 1, 4]);
        let at = positional.sql.text().find("from").unwrap();
        assert!(sql[positional.sql.origin(at)..].starts_with("from"));
    }
}

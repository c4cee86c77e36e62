//! Whether PostgreSQL would read a statement, without asking one.

use squawk_syntax::SourceFile;

use super::script::{Mistake, Script, ScriptStatement};
use super::{AtomKind, Dialect, HoleKind, Rewritten, atoms};
use crate::document::nesting::levels;

/// The first syntax error of each statement. SQLite's grammar isn't known here.
#[must_use]
pub fn check_syntax(script: &Script) -> Vec<Mistake> {
    if script.dialect != Dialect::Postgres {
        return Vec::new();
    }
    script
        .statements
        .iter()
        .filter_map(|statement| check_with_room(script, statement))
        .collect()
}

/// The parser goes down a level for each bracket and operator: a statement that may have many is
/// read where there is room for them, and one that may have too many is left to the server.
fn check_with_room(script: &Script, statement: &ScriptStatement) -> Option<Mistake> {
    match levels(&script.text[statement.range.clone()]) {
        0..=300 => check_statement(script, statement),
        301..=MAX_LEVELS => std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(ROOM)
                .spawn_scoped(scope, || check_statement(script, statement))
                .ok()?
                .join()
                .ok()?
        }),
        _ => None,
    }
}

const MAX_LEVELS: usize = 3_000;
/// Bytes of stack, taken from the system as far as they are used.
const ROOM: usize = 256 << 20;

/// A statement as the parser takes it: what is put in later stands in for itself.
pub(super) fn with_stand_ins(script: &Script, statement: &ScriptStatement) -> Rewritten {
    let mut sql = Rewritten::default();
    let mut kept = statement.range.start;
    for hole in &statement.holes {
        sql.keep(&script.text, kept..hole.range.start);
        kept = hole.range.end;
        let stand_in = match &hole.kind {
            HoleKind::Identifier(_) => "\"x\"",
            HoleKind::Value(_) | HoleKind::Expression(_) => "$1",
        };
        sql.replace(hole.range.clone(), stand_in);
    }
    sql.keep(&script.text, kept..statement.range.end);
    let end = statement.range.end;
    sql.replace(end..end, ";");
    sql
}

fn check_statement(script: &Script, statement: &ScriptStatement) -> Option<Mistake> {
    let sql = with_stand_ins(script, statement);
    let parsed = SourceFile::parse(sql.text());
    let error = parsed.errors().into_iter().next()?;
    let at = usize::from(error.range().start());
    // The parser often points between two words: the one that surprised it is the place.
    let stumbled = atoms(sql.text(), Dialect::Postgres)
        .find(|atom| atom.range.end > at && !atom.is_blank() && !atom.is_symbol(sql.text(), ';'));
    let detail = readable(error.message());
    let (range, message) = match stumbled {
        // Within the body of a function.
        Some(atom) if atom.kind == AtomKind::Text && at > atom.range.start => {
            let start = sql.origin(at);
            let rest = &script.text[start..statement.range.end];
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let range = start..start + end;
            let shown = shortened(&script.text[range.clone()]);
            (range, format!("syntax error at `{shown}`: {detail}"))
        }
        Some(atom) => {
            let start = sql.origin(atom.range.start);
            // A hole is as long as it is in the script.
            let hole = statement
                .holes
                .iter()
                .find(|hole| hole.range.start == start);
            let end = hole.map_or(start + atom.range.len(), |hole| hole.range.end);
            let range = start..end.min(statement.range.end);
            let shown = shortened(&script.text[range.clone()]);
            (range, format!("syntax error at `{shown}`: {detail}"))
        }
        None => (
            statement.range.end..statement.range.end,
            format!("syntax error at the end of the statement: {detail}"),
        ),
    };
    Some(Mistake {
        code: "sql-syntax",
        message,
        range,
        help: None,
    })
}

/// The first line of a token, and not too much of it.
fn shortened(token: &str) -> String {
    let line = token.lines().next().unwrap_or_default();
    if line.chars().count() <= 30 && line.len() == token.len() {
        return line.to_owned();
    }
    let start: String = line.chars().take(30).collect();
    format!("{start}…")
}

/// The parser names its tokens as its authors do.
fn readable(message: &str) -> String {
    let message = message.split(", found ").next().unwrap_or(message);
    let message = message.split(", got ").next().unwrap_or(message);
    let words = message.split(' ').map(|word| {
        if let Some(keyword) = word.strip_suffix("_KW") {
            return format!("`{}`", keyword.to_lowercase());
        }
        let plain = match word {
            "COMMA" => "`,`",
            "L_PAREN" => "`(`",
            "R_PAREN" => "`)`",
            "L_BRACK" => "`[`",
            "R_BRACK" => "`]`",
            "SEMICOLON" => "`;`",
            "COLON" => "`:`",
            "EQ" => "`=`",
            "DOT" => "`.`",
            "IDENT" => "a name",
            "command" => "a statement",
            "stmt" => "statement",
            other => other,
        };
        plain.to_owned()
    });
    let mut text = words.collect::<Vec<_>>().join(" ");
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    text
}

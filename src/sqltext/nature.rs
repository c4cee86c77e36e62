//! What kind of statement it is, told by its first words.

use super::lexer::{Atom, AtomKind, Dialect};

/// What matters about a statement before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nature {
    /// Its first words, such as `create index concurrently`, for messages.
    pub name: String,
    pub transaction: Transaction,
    /// `COPY … FROM STDIN`.
    pub reads_input: bool,
    /// `COPY … TO STDOUT`.
    pub writes_output: bool,
    /// Whether the server binds values in it.
    pub takes_values: bool,
    /// Whether it may give rows.
    pub gives_rows: bool,
    /// Whether it only reads, as far as its words tell: a function in it may write.
    pub reads_only: bool,
}

/// How a statement and a transaction go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// It works inside of one.
    Inside,
    /// It begins or ends one.
    Control,
    /// The server refuses it inside of one.
    Alone,
}

impl Nature {
    /// The nature of the statement of these atoms, blanks left out.
    pub(super) fn of(sql: &str, atoms: &[Atom], dialect: Dialect) -> Self {
        let mut words = Words::new(sql, atoms);
        let (transaction, length) = match dialect {
            Dialect::Postgres => postgres(&mut words),
            Dialect::Sqlite => sqlite(&mut words),
        };
        let copy = words.is(0, &["copy"]);
        Self {
            name: words.first(length),
            transaction,
            reads_input: copy && words.have_pair("from", "stdin"),
            writes_output: copy && words.have_pair("to", "stdout"),
            takes_values: dialect == Dialect::Sqlite || takes_values(&words),
            gives_rows: gives_rows(&words),
            reads_only: reads_only(&words),
        }
    }
}

/// The words of a statement outside of brackets, in small letters.
struct Words {
    words: Vec<String>,
    /// Everything, brackets too: for option lists such as `REINDEX (CONCURRENTLY) …`.
    all: Vec<String>,
}

impl Words {
    fn new(sql: &str, atoms: &[Atom]) -> Self {
        let mut depth = 0usize;
        let (mut words, mut all) = (Vec::new(), Vec::new());
        for atom in atoms {
            if atom.is_symbol(sql, '(') {
                depth += 1;
            } else if atom.is_symbol(sql, ')') {
                depth = depth.saturating_sub(1);
            }
            if atom.kind == AtomKind::Word {
                let word = atom.text(sql).to_ascii_lowercase();
                if depth == 0 {
                    words.push(word.clone());
                }
                all.push(word);
            } else if atom.kind == AtomKind::Quoted && depth == 0 {
                // Never a keyword.
                words.push(String::new());
            }
        }
        if words.is_empty() && atoms.first().is_some_and(|atom| atom.is_symbol(sql, '(')) {
            words.extend(all.first().cloned());
        }
        Self { words, all }
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        self.words
            .get(at)
            .is_some_and(|word| words.contains(&word.as_str()))
    }

    fn have(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    fn have_pair(&self, first: &str, second: &str) -> bool {
        self.words.windows(2).any(|pair| pair == [first, second])
    }

    /// Whether its main part, not one of its CTEs, changes rows.
    fn writes(&self) -> bool {
        self.words
            .iter()
            .any(|word| WRITING.contains(&word.as_str()))
    }

    fn first(&self, length: usize) -> String {
        let words: Vec<&str> = self.words.iter().take(length).map(String::as_str).collect();
        words.join(" ")
    }
}

fn postgres(words: &mut Words) -> (Transaction, usize) {
    use Transaction::{Alone, Control, Inside};
    if words.is(0, &["begin", "commit", "end", "abort"]) {
        let length = if words.is(1, &["prepared"]) { 2 } else { 1 };
        return (Control, length);
    }
    if words.is(0, &["start"]) && words.is(1, &["transaction"]) {
        return (Control, 2);
    }
    if words.is(0, &["rollback"]) {
        // `ROLLBACK TO savepoint` stays inside.
        let inside =
            words.is(1, &["to"]) || (words.is(1, &["work", "transaction"]) && words.is(2, &["to"]));
        return (if inside { Inside } else { Control }, 1);
    }
    if words.is(0, &["prepare"]) && words.is(1, &["transaction"]) {
        return (Control, 2);
    }
    let concurrently = words.all.iter().position(|word| word == "concurrently");
    match words.words.first().map(String::as_str) {
        Some("vacuum") => (Alone, 1),
        Some("create" | "drop") if words.is(1, &["database", "tablespace", "subscription"]) => {
            (Alone, 2)
        }
        Some("create") if words.is(1, &["index", "unique"]) && words.have("concurrently") => {
            (Alone, if words.is(1, &["unique"]) { 4 } else { 3 })
        }
        Some("drop") if words.is(1, &["index"]) && words.is(2, &["concurrently"]) => (Alone, 3),
        Some("reindex") if concurrently.is_some() => (Alone, 1),
        Some("reindex") if words.is(1, &["database", "schema", "system"]) => (Alone, 2),
        Some("alter") if words.is(1, &["system"]) => (Alone, 2),
        Some("alter") if words.is(1, &["database"]) && words.have_pair("set", "tablespace") => {
            (Alone, 2)
        }
        Some("alter")
            if words.is(1, &["table"]) && words.have("detach") && words.have("concurrently") =>
        {
            (Alone, 2)
        }
        Some("cluster") if words.words.len() == 1 => (Alone, 1),
        Some("discard") if words.is(1, &["all"]) => (Alone, 2),
        Some("create" | "drop" | "alter" | "refresh" | "grant" | "comment") => (Inside, 2),
        _ => (Inside, 1),
    }
}

fn sqlite(words: &mut Words) -> (Transaction, usize) {
    use Transaction::{Alone, Control, Inside};
    if words.is(0, &["begin", "commit", "end"]) {
        return (Control, 1);
    }
    if words.is(0, &["rollback"]) {
        return (if words.have("to") { Inside } else { Control }, 1);
    }
    if words.is(0, &["vacuum", "attach", "detach"]) {
        return (Alone, 1);
    }
    if words.is(0, &["pragma"]) && words.is(1, &["journal_mode", "foreign_keys", "synchronous"]) {
        return (Alone, 2);
    }
    let length = if words.is(0, &["create", "drop", "alter"]) {
        2
    } else {
        1
    };
    (Inside, length)
}

/// PostgreSQL plans these, and only plans have parameters.
fn takes_values(words: &Words) -> bool {
    let planned = [
        "select", "values", "table", "with", "insert", "update", "delete", "merge", "explain",
        "call", "execute", "declare",
    ];
    words.is(0, &planned)
        || (words.is(0, &["create"])
            && !words.have("view")
            && words.have("table")
            && words.have("as"))
}

fn gives_rows(words: &Words) -> bool {
    let always = [
        "select", "values", "table", "show", "explain", "fetch", "execute", "call", "pragma",
    ];
    words.is(0, &always) && !words.have("into")
        || words.is(0, &["with"]) && (!words.writes() || words.have("returning"))
        || words.is(0, &["insert", "update", "delete", "merge", "replace"])
            && words.have("returning")
}

fn reads_only(words: &Words) -> bool {
    words.is(0, &["select", "values", "table", "show", "with"])
        && !words.have("into")
        && !words
            .all
            .iter()
            .any(|word| WRITING.contains(&word.as_str()))
}

const WRITING: [&str; 5] = ["insert", "update", "delete", "merge", "replace"];

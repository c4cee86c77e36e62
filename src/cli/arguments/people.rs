//! Who may come in by pages and API.

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// `runner user`.
#[derive(Debug, Args)]
pub struct User {
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What to do about people.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Show who may come in
    List {
        /// How to print
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Let somebody in, by a link that works once or by a password
    Add {
        /// A name: letters, digits, `_` and `-`
        name: String,
        /// What they may do
        #[arg(long, default_value = "viewer")]
        role: RoleWord,
        /// Read a password from standard input, its first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change what somebody may do
    Role { name: String, role: RoleWord },
    /// Set somebody's password, from the first line of standard input; it ends their sessions
    Password { name: String },
    /// Print a link that lets somebody in once, for a day
    Link {
        name: String,
        /// Where the pages are
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
        url: String,
    },
    /// Show who is signed in
    Sessions {
        /// Only this one's
        name: Option<String>,
        /// How to print
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// End a session, or all of somebody
    SignOut {
        /// A session's id, or a name
        which: String,
    },
    /// Let somebody in no more: sessions and tokens end
    Remove { name: String },
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// Look at everything
    Viewer,
    /// Also begin, end and change runs
    Operator,
    /// Also say who may do what
    Admin,
}

/// `runner token`.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Show the tokens of programs
    List {
        /// How to print
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Make a token and print it; it is shown this once
    Add {
        /// What it is for
        label: String,
        /// Whose it is: it may no more than they
        #[arg(long, value_name = "NAME", default_value = "admin")]
        user: String,
        /// What it is limited to
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scope: Vec<ScopeWord>,
        /// How long it lets in; `never` is possible
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = lifetime)]
        expires: Lifetime,
    },
    /// Let a token in no more
    Remove {
        /// Its id, as `runner token list` shows it
        id: String,
    },
}

/// What a token is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeWord {
    /// To look at everything
    Read,
    /// To begin, end and change runs
    Run,
    /// To say who may do what
    Admin,
}

/// How long something lets in; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(pub Option<std::time::Duration>);

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime(None));
    }
    super::duration(text).map(|duration| Lifetime(Some(duration)))
}

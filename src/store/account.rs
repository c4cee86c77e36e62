//! Who may come in by pages and API, and what was done there.

use async_trait::async_trait;

use crate::model::Timestamp;

use super::StoreError;

/// What somebody may do. Each role may all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Also begin, end and change runs.
    Operator,
    /// Also say who may do what.
    Admin,
}

impl Role {
    /// All roles, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// What a token is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To look at everything.
    Read,
    /// To begin, end and change runs.
    Run,
    /// To say who may do what.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Read, Self::Run, Self::Admin];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }

    /// The scope of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The least role that may it.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Run => Role::Operator,
            Self::Admin => Role::Admin,
        }
    }
}

/// Somebody who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `[A-Za-z0-9_-]{1,64}`; of somebody that a provider knows it always has an `@`.
    pub name: String,
    pub role: Role,
    /// The password, argon2id as a PHC string; `None`: only links and tokens let in.
    pub password: Option<String>,
    pub created: Timestamp,
    /// Who they are to the provider that they sign in by: its issuer, a space, and the subject;
    /// `None`: an account of our own.
    pub subject: Option<String>,
}

/// What lets an account in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessKind {
    /// Somebody has signed in.
    Session,
    /// For programs.
    Token,
    /// Lets in once.
    Link,
}

impl AccessKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Session, Self::Token, Self::Link];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
            Self::Link => "link",
        }
    }
}

/// A session, token or link: what is known of the secret that opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Public, and part of what is presented.
    pub id: String,
    pub kind: AccessKind,
    pub account: String,
    /// A token's name, a session's browser.
    pub label: String,
    /// What it is limited to; `None`: to all that the account may.
    pub scopes: Option<Vec<Scope>>,
    /// SHA-256 of the secret, 64 hexadecimal digits.
    pub hash: String,
    pub created: Timestamp,
    /// `None`: never.
    pub expires: Option<Timestamp>,
    /// When it last opened, to some minutes.
    pub seen: Option<Timestamp>,
}

/// Something that was done or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// By when it was done; given by the store.
    pub number: i64,
    pub at: Timestamp,
    pub account: String,
    /// `session ID`, `token ID`, `command line`…
    pub via: String,
    /// Where it came from.
    pub address: String,
    /// Which kind of deed: a method and a pattern.
    pub action: String,
    /// About what: a path.
    pub target: String,
    /// How it ended, as HTTP says it.
    pub status: u16,
    /// What else is worth knowing: the run that began.
    pub detail: String,
}

/// A run that is asked for with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub account: String,
    pub key: String,
    /// SHA-256 of what was asked, 64 hexadecimal digits.
    pub fingerprint: String,
    pub run: String,
    pub at: Timestamp,
}

/// Durable accounts. Every method is one transaction.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Keeps an account; one of the same name is replaced, with what lets it in left as it is. Refused
    /// when the name is of another subject, or the subject has another name
    /// ([`StoreError::NameTaken`]).
    async fn put_account(&self, account: &Account) -> Result<(), StoreError>;
    /// Removes an account and all that lets it in. `false`: there is none.
    async fn remove_account(&self, name: &str) -> Result<bool, StoreError>;
    /// All accounts, by name.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;
    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError>;

    /// The account of somebody that a provider knows.
    async fn account_of(&self, subject: &str) -> Result<Option<Account>, StoreError>;

    /// Keeps what lets in; what has expired is removed meanwhile. Its account must be there.
    async fn put_access(&self, access: &Access) -> Result<(), StoreError>;
    /// Removes what lets in. `true` exactly once, whoever asks at the same time.
    async fn remove_access(&self, id: &str) -> Result<bool, StoreError>;
    /// Removes all of a kind that let an account in; of an account's sessions also when its
    /// password changes.
    async fn remove_accesses(&self, account: &str, kind: AccessKind) -> Result<(), StoreError>;
    /// What is known of an id, with its account, whether it has expired or not.
    async fn access(&self, id: &str) -> Result<Option<(Access, Account)>, StoreError>;
    /// All of a kind, newest first; of one account when it is named.
    async fn accesses(
        &self,
        kind: AccessKind,
        account: Option<&str>,
    ) -> Result<Vec<Access>, StoreError>;
    /// It opened.
    async fn see_access(
        &self,
        id: &str,
        at: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// Keeps what was done; its number is given here.
    async fn add_deed(&self, deed: &Deed) -> Result<(), StoreError>;
    /// What was done, latest first, before a number, at most `limit`.
    async fn deeds(&self, before: Option<i64>, limit: u32) -> Result<Vec<Deed>, StoreError>;

    /// Keeps a claim, and gives the one that holds: an earlier one with the same key, or this. What
    /// is older than `forget` is removed meanwhile.
    async fn claim(&self, claim: &Claim, forget: Timestamp) -> Result<Claim, StoreError>;
}

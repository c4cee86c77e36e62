//! Where people sign in.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::StatusCode;
use chrono::TimeDelta;
use tokio::sync::Semaphore;

use crate::model::{Timestamp, check_name};
use crate::store::{Access, AccessKind, Account, AccountStore, Role, StoreError};

use super::key::Key;
use super::password::PasswordHash;
use super::throttle::Throttle;

/// The account that is there from the first start.
pub const FIRST: &str = "admin";
/// A session that nobody uses ends.
const IDLE: TimeDelta = TimeDelta::days(7);
/// How often it is written down that a session or token opened.
const SEEN: TimeDelta = TimeDelta::minutes(5);
/// How long a link lets in.
const LINK: TimeDelta = TimeDelta::days(1);
/// Where the first link is kept until it is used, in the folder of the state.
const LINK_FILE: &str = "sign-in-link";
/// Passwords that are tried at the same time; each takes 19 MiB.
const TRIED: usize = 2;

/// Accounts, and how they are let in.
pub struct Accounts {
    pub store: Arc<dyn AccountStore>,
    by_address: Throttle,
    by_account: Throttle,
    tried: Semaphore,
    link_file: PathBuf,
}

/// Why somebody isn't let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Whether it was the name or the password isn't told.
    #[error("this name and password don't go together")]
    Wrong,
    #[error("too many tries: wait {} s", .0.num_seconds() + 1)]
    TooOften(TimeDelta),
    #[error("the link was used already, or has expired: `runner user link NAME` makes a new one")]
    Spent,
    /// The provider knows them, and nothing gives them a role.
    #[error("nothing gives `{0}` a role here")]
    NoRole(String),
    /// The provider calls somebody by another one's name.
    #[error("`{0}` is somebody else here")]
    Taken(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chance(#[from] std::io::Error),
}

impl SignInError {
    /// How HTTP says it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Wrong | Self::Spent => StatusCode::UNAUTHORIZED,
            Self::NoRole(_) | Self::Taken(_) => StatusCode::FORBIDDEN,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Chance(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Accounts {
    /// The accounts of a project whose state is in a folder.
    #[must_use]
    pub fn new(store: Arc<dyn AccountStore>, state: &Path) -> Self {
        Self {
            store,
            by_address: Throttle::new(20, TimeDelta::seconds(15)),
            by_account: Throttle::new(10, TimeDelta::seconds(30)),
            tried: Semaphore::new(TRIED),
            link_file: state.join(LINK_FILE),
        }
    }

    /// Makes the first account, and a link that lets it in, as long as nobody has a password and no
    /// admin came in by a provider. Gives
    /// the link's path. Links of earlier starts let nobody in any more.
    ///
    /// # Errors
    /// When the store or the file can't be written.
    pub async fn first_link(
        &self,
        url: &str,
        now: Timestamp,
    ) -> Result<Option<String>, SignInError> {
        let accounts = self.store.accounts().await?;
        let comes_in = |account: &Account| {
            account.password.is_some() || account.subject.is_some() && account.role == Role::Admin
        };
        if accounts.iter().any(comes_in) {
            return Ok(None);
        }
        if accounts.is_empty() {
            let first = Account {
                name: FIRST.to_owned(),
                role: Role::Admin,
                password: None,
                created: now,
                subject: None,
            };
            self.store.put_account(&first).await?;
        } else if !accounts.iter().any(|account| account.name == FIRST) {
            // Somebody has made others on purpose.
            return Ok(None);
        }
        self.store.remove_accesses(FIRST, AccessKind::Link).await?;
        let path = open_link(self.store.as_ref(), FIRST, now).await?;
        let link = format!("{url}{path}");
        keep(&self.link_file, &link)?;
        Ok(Some(link))
    }

    /// Lets in by a password.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn by_password(
        &self,
        name: &str,
        password: &str,
        from: &From,
    ) -> Result<(Key, Account), SignInError> {
        self.count_try(from)?;
        // Also a name that nobody has: what is told must not depend on it.
        let known = check_name(name).is_ok();
        if known {
            self.by_account
                .admit(name, from.now)
                .map_err(SignInError::TooOften)?;
        }
        let account = if known {
            self.store.account(name).await?
        } else {
            None
        };
        let hash = account
            .as_ref()
            .and_then(|account| account.password.clone());
        let password = password.to_owned();
        // The semaphore is never closed.
        let turn = self.tried.acquire().await;
        let tried =
            tokio::task::spawn_blocking(move || PasswordHash::verify(hash.as_deref(), &password));
        let right = tried.await.unwrap_or(false);
        drop(turn);
        match account {
            Some(account) if right => {
                self.by_account.forget(name);
                Ok((self.begin(&account, from, IDLE).await?, account))
            }
            _ => Err(SignInError::Wrong),
        }
    }

    /// Lets in by a link, once.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn by_link(&self, link: &str, from: &From) -> Result<(Key, Account), SignInError> {
        self.count_try(from)?;
        let key = Key::read(AccessKind::Link, link).ok_or(SignInError::Spent)?;
        let Some((known, account)) = self.store.access(key.id()).await? else {
            return Err(SignInError::Spent);
        };
        if !key.opens(&known, from.now) || !self.store.remove_access(key.id()).await? {
            return Err(SignInError::Spent);
        }
        if account.name == FIRST {
            // It has done its duty.
            let _ = std::fs::remove_file(&self.link_file);
        }
        Ok((self.begin(&account, from, IDLE).await?, account))
    }

    /// Lets in somebody whom the provider knows, for so long. Their account is made when they first
    /// come, its role is what the provider says now, and it ends, with all that lets it in, when
    /// there is none. Gives also what was done, for the list of deeds.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn by_provider(
        &self,
        subject: &str,
        name: &str,
        role: Option<Role>,
        lasts: TimeDelta,
        from: &From,
    ) -> Result<(Key, String), SignInError> {
        let known = self.store.account_of(subject).await?;
        let Some(role) = role else {
            let Some(known) = known else {
                return Err(SignInError::NoRole(name.to_owned()));
            };
            self.store.remove_account(&known.name).await?;
            return Err(SignInError::NoRole(known.name));
        };
        let (account, detail) = match known {
            Some(known) if known.role == role => {
                let detail = format!("{} by the provider", known.name);
                (known, detail)
            }
            Some(known) => {
                let detail = format!("{} by the provider, now {}", known.name, role.as_str());
                (Account { role, ..known }, detail)
            }
            None => {
                let account = Account {
                    name: name.to_owned(),
                    role,
                    password: None,
                    created: from.now,
                    subject: Some(subject.to_owned()),
                };
                (
                    account,
                    format!("{name} by the provider, first, as {}", role.as_str()),
                )
            }
        };
        match self.store.put_account(&account).await {
            Err(StoreError::NameTaken(name)) => return Err(SignInError::Taken(name)),
            put => put?,
        }
        Ok((self.begin(&account, from, lasts).await?, detail))
    }

    /// Counts a try to come in from an address.
    ///
    /// # Errors
    /// [`SignInError::TooOften`].
    pub fn count_try(&self, from: &From) -> Result<(), SignInError> {
        let counted = self.by_address.admit(&from.network(), from.now);
        counted.map_err(SignInError::TooOften)
    }

    async fn begin(
        &self,
        account: &Account,
        from: &From,
        lasts: TimeDelta,
    ) -> Result<Key, SignInError> {
        let key = Key::draw(AccessKind::Session)?;
        let until = from.now.checked_add_signed(lasts);
        let mut access = key.access(&account.name, &from.label(), from.now, until);
        access.seen = Some(from.now);
        self.store.put_access(&access).await?;
        Ok(key)
    }

    /// What a key opens, when it does.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<(Access, Account)>, StoreError> {
        let Some((known, account)) = self.store.access(key.id()).await? else {
            return Ok(None);
        };
        if !key.opens(&known, now) {
            return Ok(None);
        }
        if known.seen.is_none_or(|seen| now - seen > SEEN) {
            // Whoever came by a provider has to pass it again, however busy they are.
            let slides = known.kind == AccessKind::Session && account.subject.is_none();
            let expires = slides.then(|| now + IDLE);
            self.store.see_access(&known.id, now, expires).await?;
        }
        Ok(Some((known, account)))
    }
}

/// Who wants to come in from where.
#[derive(Debug, Clone)]
pub struct From {
    pub address: IpAddr,
    /// What the browser says that it is.
    pub agent: String,
    pub now: Timestamp,
}

impl From {
    /// Whose tries are counted together: an IPv4 address, or a network of IPv6, of whose addresses
    /// everybody has as many as he likes.
    fn network(&self) -> String {
        match self.address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }

    fn label(&self) -> String {
        let plain = self.agent.chars().filter(|c| !c.is_control()).take(120);
        let agent: String = plain.collect();
        format!(
            "{} from {}",
            if agent.is_empty() { "unknown" } else { &agent },
            self.address
        )
    }
}

/// Makes a link that lets an account in once: the path that is opened.
///
/// # Errors
/// When there is no such account, or the store can't be written.
pub async fn open_link(
    store: &dyn AccountStore,
    account: &str,
    now: Timestamp,
) -> Result<String, SignInError> {
    let key = Key::draw(AccessKind::Link)?;
    let access = key.access(account, "link", now, Some(now + LINK));
    store.put_access(&access).await?;
    Ok(format!("/sign-in?link={}", key.reveal()))
}

/// Keeps a link where only the user of this process can read it.
fn keep(path: &Path, link: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // A file of somebody else's, or with other rights, isn't written into.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{link}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_of_a_network_are_counted_together() {
        let network = |address: &str| {
            let from = From {
                address: address.parse().unwrap(),
                agent: String::new(),
                now: Timestamp::UNIX_EPOCH,
            };
            from.network()
        };
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }
}

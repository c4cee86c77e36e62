//! Secrets that are drawn by chance: shown once, kept as a hash, compared in constant time.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::model::Timestamp;
use crate::store::{Access, AccessKind, Scope};

/// Bytes of a secret: nobody guesses 256 bits.
const SECRET: usize = 32;
/// Bytes of an id.
const ID: usize = 8;

/// A secret that lets in, as it is presented: `KIND_ID_SECRET` in hexadecimal digits. The kind in
/// front lets programs that look for leaked secrets know it.
pub struct Key {
    id: String,
    secret: String,
    kind: AccessKind,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_***", self.id)
    }
}

fn prefix(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Session => "session",
        AccessKind::Token => "runner",
        AccessKind::Link => "link",
    }
}

impl Key {
    /// Draws a new one.
    ///
    /// # Errors
    /// When the operating system gives no chance.
    pub fn draw(kind: AccessKind) -> std::io::Result<Self> {
        let mut bytes = [0; ID + SECRET];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        let (id, secret) = bytes.split_at(ID);
        Ok(Self {
            id: hex(id),
            secret: hex(secret),
            kind,
        })
    }

    /// Reads what was presented; `None` when it can't be a key of this kind.
    #[must_use]
    pub fn read(kind: AccessKind, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(prefix(kind))?.strip_prefix('_')?;
        let (id, secret) = rest.split_once('_')?;
        let is = |part: &str, bytes: usize| {
            part.len() == bytes * 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        (is(id, ID) && is(secret, SECRET)).then(|| Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            kind,
        })
    }

    /// Its public part.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole of it, for the one who may have it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}_{}_{}", prefix(self.kind), self.id, self.secret)
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.secret.as_bytes()))
    }

    /// Whether it is the one that is known.
    #[must_use]
    pub fn opens(&self, known: &Access, now: Timestamp) -> bool {
        let lives = known.expires.is_none_or(|expires| now < expires);
        same(&self.hash(), &known.hash) && lives && known.kind == self.kind
    }

    /// What is to be written into the forms of a session's pages: nobody knows it who doesn't know
    /// the session's secret.
    #[must_use]
    pub fn csrf(&self) -> String {
        hex(&Sha256::digest(format!("csrf {}", self.secret)))
    }

    /// The row of it.
    #[must_use]
    pub fn access(
        &self,
        account: &str,
        label: &str,
        created: Timestamp,
        expires: Option<Timestamp>,
    ) -> Access {
        Access {
            id: self.id.clone(),
            kind: self.kind,
            account: account.to_owned(),
            label: label.to_owned(),
            scopes: None::<Vec<Scope>>,
            hash: self.hash(),
            created,
            expires,
            seen: None,
        }
    }
}

/// Whether two texts are the same; how long that takes tells only their lengths.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Hexadecimal digits.
pub(in crate::web) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_what_is_known_of_it_and_nothing_else() {
        let now: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        let later = now + chrono::TimeDelta::hours(1);
        let key = Key::draw(AccessKind::Token).unwrap();
        let known = key.access("ana", "ci", now, Some(later));
        let text = key.reveal();
        assert!(!known.hash.is_empty() && !text.contains(&known.hash));
        let read = Key::read(AccessKind::Token, &text).unwrap();
        assert!(read.opens(&known, now));
        assert!(!read.opens(&known, later), "it has expired");
        assert!(Key::read(AccessKind::Session, &text).is_none());
        let other = Key::draw(AccessKind::Token).unwrap();
        assert!(!other.opens(&known, now));
        let session = Access {
            kind: AccessKind::Session,
            ..known
        };
        assert!(!read.opens(&session, now));
        for wrong in ["", "runner_", "runner_12_34", &text[..text.len() - 1]] {
            assert!(Key::read(AccessKind::Token, wrong).is_none(), "{wrong}");
        }
    }
}

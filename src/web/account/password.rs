//! Passwords: argon2id, with the parameters that OWASP names (19 MiB, two passes).

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash as Phc};

/// The fewest characters of a password.
pub const LEAST: usize = 12;

/// What is compared when there is no such account: it takes as long.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| PasswordHash::of("nobody").map_or_else(|_| String::new(), |hash| hash.0));

/// What is kept of a password: a PHC string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl PasswordHash {
    /// The hash of a password, with a salt drawn by chance. It takes its time: not for async tasks.
    ///
    /// # Errors
    /// When the operating system gives no chance.
    pub fn of(password: &str) -> std::io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(std::io::Error::other)?;
        let hash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(hash.to_string()))
    }

    /// Whether a password is the one of an account; `None`: of nobody, which takes as long. It
    /// takes its time: not for async tasks.
    #[must_use]
    pub fn verify(known: Option<&str>, password: &str) -> bool {
        let text = known.unwrap_or(&NOBODY);
        let right = Phc::new(text).is_ok_and(|hash| {
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            verified.is_ok()
        });
        right && known.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let hash = PasswordHash::of("correct horse battery").unwrap();
        assert!(
            hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hash.0
        );
        assert!(PasswordHash::verify(Some(&hash.0), "correct horse battery"));
        assert!(!PasswordHash::verify(
            Some(&hash.0),
            "correct horse batterY"
        ));
        assert!(!PasswordHash::verify(None, "nobody"));
        assert!(!PasswordHash::verify(Some("not a hash"), "nobody"));
    }
}

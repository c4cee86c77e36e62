//! What a browser remembers while somebody is at the provider's.

use sha2::{Digest as _, Sha256};

use crate::web::account::hex;

/// Bytes of a seed: nobody guesses 256 bits.
const SEED: usize = 32;

/// A way to the provider and back. All that is sent is made of one seed, which only the browser that
/// began knows: whoever sees one of the values learns none of the others.
pub(super) struct Flow {
    seed: String,
    /// The page to show in the end.
    pub(super) next: String,
}

impl Flow {
    /// Begins one.
    ///
    /// # Errors
    /// When the operating system gives no chance.
    pub(super) fn begin(next: &str) -> std::io::Result<Self> {
        let mut seed = [0; SEED];
        getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
        Ok(Self {
            seed: hex(&seed),
            next: next.to_owned(),
        })
    }

    /// Reads what a browser has kept.
    pub(super) fn read(cookie: &str) -> Option<Self> {
        let (seed, next) = cookie.split_once('.')?;
        let whole = seed.len() == SEED * 2 && seed.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole.then(|| Self {
            seed: seed.to_owned(),
            next: next.to_owned(),
        })
    }

    /// What the browser keeps.
    pub(super) fn cookie(&self) -> String {
        format!("{}.{}", self.seed, self.next)
    }

    /// What the provider gives back to the browser: whoever comes back with another one began
    /// elsewhere.
    pub(super) fn state(&self) -> String {
        self.of("state")
    }

    /// What the provider writes into its token: another one's token isn't taken.
    pub(super) fn nonce(&self) -> String {
        self.of("nonce")
    }

    /// What proves to the provider that who fetches the token is who began (PKCE, RFC 7636).
    pub(super) fn verifier(&self) -> String {
        self.of("verifier")
    }

    fn of(&self, purpose: &str) -> String {
        hex(&Sha256::digest(format!("{purpose} {}", self.seed)))
    }
}

#[cfg(test)]
mod tests {
    use super::Flow;

    #[test]
    fn a_browser_remembers_the_way() {
        let flow = Flow::begin("/dags/daily").unwrap();
        let read = Flow::read(&flow.cookie()).unwrap();
        assert_eq!((read.state(), read.nonce()), (flow.state(), flow.nonce()));
        assert_eq!(read.next, "/dags/daily");
        assert_ne!(flow.state(), flow.nonce());
        assert_ne!(flow.state(), flow.verifier());
        assert_ne!(flow.state(), Flow::begin("/").unwrap().state());
        for wrong in ["", ".", "a./", &flow.cookie()[1..], &"x".repeat(70)] {
            assert!(Flow::read(wrong).is_none(), "{wrong}");
        }
    }
}

//! Masking of secrets in text that leaves the process.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value as Json;

/// Shorter secrets would mask half of every log.
const SHORTEST: usize = 4;

/// Replaces known secrets by `***`, also where they are percent- or base64-encoded. Clones share what
/// they know.
#[derive(Clone, Default)]
pub struct Masker {
    /// Longest first, so that a secret that contains another is masked whole.
    needles: Arc<RwLock<Vec<String>>>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Masker({} secrets)", needles.len())
    }
}

impl Masker {
    /// A masker for these secrets. Secrets of fewer than four characters are not masked.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let needles = sorted(secrets.into_iter().flat_map(forms).collect());
        Self {
            needles: Arc::new(RwLock::new(needles)),
        }
    }

    /// Masks a secret from now on that wasn't known before, such as a token that was fetched.
    pub fn learn(&self, secret: &str) {
        let forms = forms(secret);
        let known = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        if forms.iter().all(|form| known.contains(form)) {
            return;
        }
        drop(known);
        let mut needles = self.needles.write().unwrap_or_else(PoisonError::into_inner);
        let all = needles.drain(..).chain(forms).collect();
        *needles = sorted(all);
    }

    /// The text without the secrets.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        for needle in needles.iter() {
            if masked.contains(needle.as_str()) {
                masked = masked.replace(needle.as_str(), "***");
            }
        }
        masked
    }

    /// A value without the secrets, in its texts and its keys.
    #[must_use]
    pub fn mask_json(&self, value: Json) -> Json {
        match value {
            Json::String(text) => Json::String(self.mask(&text)),
            Json::Array(items) => items.into_iter().map(|item| self.mask_json(item)).collect(),
            Json::Object(entries) => entries
                .into_iter()
                .map(|(key, value)| (self.mask(&key), self.mask_json(value)))
                .collect(),
            other => other,
        }
    }
}

/// What a secret may look like in a text.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for line in secret.lines().filter(|line| line.len() >= SHORTEST) {
        forms.push(line.to_owned());
        forms.push(percent_encoded(line));
        forms.extend(base64_cores(line.as_bytes()));
    }
    forms
}

/// Each once, the longest first.
fn sorted(forms: BTreeSet<String>) -> Vec<String> {
    let mut needles: Vec<String> = forms
        .into_iter()
        .filter(|form| form.len() >= SHORTEST)
        .collect();
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    needles
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The characters that a secret contributes to base64 text at each of its three alignments,
/// without those at the rims that depend on its neighbours.
fn base64_cores(secret: &[u8]) -> Vec<String> {
    (0..3)
        .filter_map(|shift| {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(secret);
            let text = base64(&bytes);
            let start = (shift * 8).div_ceil(6);
            let end = bytes.len() * 8 / 6;
            text.get(start..end)
                .filter(|core| core.len() >= 6)
                .map(str::to_owned)
        })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0u32, |group, byte| (group << 8) | u32::from(*byte));
        for position in 0..=chunk.len() {
            let index = (group >> (18 - 6 * position)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_disappear_in_every_encoding() {
        let masker = Masker::new(["p@ss word!", "abc"]);
        let plain = "url postgres://u:p@ss word!@h and p%40ss%20word%21 end";
        assert_eq!(masker.mask(plain), "url postgres://u:***@h and *** end");
        for prefix in ["", "u:", "user:"] {
            let encoded = base64(format!("{prefix}p@ss word!:tail").as_bytes());
            let hidden = masker.mask(&encoded);
            assert!(hidden.contains("***"), "{encoded} -> {hidden}");
        }
        assert_eq!(masker.mask("abc"), "abc");
    }

    #[test]
    fn clones_learn_together() {
        let masker = Masker::new(["first secret"]);
        let clone = masker.clone();
        clone.learn("a first secret token");
        let text = "first secret, a first secret token";
        assert_eq!(masker.mask(text), "***, ***");
        clone.learn("a first secret token");
        assert_eq!(masker.mask(text), "***, ***");
    }
}

//! Who may call a webhook, and what a call says.

use serde_json::{Map as JsonMap, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::model::Timestamp;
use crate::secret::Environment;

/// Most bytes of a body.
pub const MOST_BODY: usize = 1024 * 1024;

/// How callers prove that they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The environment variable that holds the secret.
    pub variable: String,
    /// The header with the signature of the body, in lower case; without it the secret itself is
    /// sent as a bearer token (RFC 6750).
    pub signature: Option<String>,
    /// The header with the time of the call, in lower case: it is signed with the body, and a call
    /// from long ago isn't taken.
    pub timestamp: Option<String>,
}

/// How far the clocks of two machines may be apart, in seconds: an older call is somebody else's copy.
const APART: i64 = 300;
/// The longest `Idempotency-Key`, in bytes.
const LONGEST_KEY: usize = 255;

/// Why a call isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What the caller sent doesn't prove that he may call.
    #[error("the call has no right secret or signature")]
    Forbidden,
    #[error("the body is longer than {MOST_BODY} bytes")]
    TooLong,
    #[error("the call is of another time than now: the clocks differ, or it is a copy")]
    OtherTime,
    #[error("`Idempotency-Key` has at most {LONGEST_KEY} characters")]
    LongKey,
    /// The secret isn't there to compare with.
    #[error("the variable `{0}` isn't set: nobody can call")]
    NoSecret(String),
}

impl Hook {
    /// Whether a call is taken, and its own id, by which it is known again: what it was signed with
    /// when the time is signed, too, and otherwise its `Idempotency-Key`, when it has one. `headers`
    /// have their names in lower case.
    ///
    /// # Errors
    /// Why it isn't.
    pub fn admit(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        environment: &Environment,
        now: Timestamp,
    ) -> Result<Option<String>, Refused> {
        let secret = environment.get(&self.variable).filter(|it| !it.is_empty());
        let secret = secret.ok_or_else(|| Refused::NoSecret(self.variable.clone()))?;
        if body.len() > MOST_BODY {
            return Err(Refused::TooLong);
        }
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.trim())
        };
        let key = header("idempotency-key").filter(|key| !key.is_empty());
        let (proven, id) = if let Some(name) = &self.signature {
            let time = self.timestamp.as_ref();
            let time = time.map(|name| header(name).ok_or(Refused::Forbidden));
            let time = time.transpose()?;
            let message = match time {
                Some(time) => [time.as_bytes(), b".", body].concat(),
                None => body.to_vec(),
            };
            let own = signature(secret.as_bytes(), &message);
            let proven = header(name).is_some_and(|sent| {
                let sent = sent.strip_prefix("sha256=").unwrap_or(sent);
                is_same(&sent.to_ascii_lowercase(), &own)
            });
            if let Some(time) = time.filter(|_| proven) {
                let at: i64 = time.parse().map_err(|_| Refused::OtherTime)?;
                if now.timestamp().abs_diff(at) > APART.unsigned_abs() {
                    return Err(Refused::OtherTime);
                }
            }
            // A copy is the same call, whatever key is written on it.
            let id = time.map(|_| own).or_else(|| key.map(str::to_owned));
            (proven, id)
        } else {
            let proven = header("authorization").is_some_and(|sent| {
                let token = sent.split_once(' ');
                let bearer = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                bearer.is_some_and(|(_, token)| is_same(token.trim(), secret))
            });
            (proven, key.map(str::to_owned))
        };
        if !proven {
            return Err(Refused::Forbidden);
        }
        if id.as_ref().is_some_and(|id| id.len() > LONGEST_KEY) {
            return Err(Refused::LongKey);
        }
        Ok(id)
    }

    /// What templates see of a call. Headers with secrets are left out.
    #[must_use]
    pub fn detail(&self, headers: &[(String, String)], body: &[u8]) -> JsonMap<String, Json> {
        let secret = |name: &str| {
            matches!(name, "authorization" | "cookie" | "proxy-authorization")
                || self.signature.as_deref() == Some(name)
        };
        let headers = headers.iter().filter(|(name, _)| !secret(name));
        let headers: JsonMap<String, Json> = headers
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let text = || json!(String::from_utf8_lossy(body));
        let body = serde_json::from_slice(body).unwrap_or_else(|_| text());
        [("body", body), ("headers", Json::Object(headers))]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// Whether two texts are the same, in a time that doesn't tell where they differ.
fn is_same(one: &str, other: &str) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    let (one, other) = (digest(one), digest(other));
    one.iter().zip(&other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// HMAC-SHA256 (RFC 2104) in lower-case hexadecimal digits.
fn signature(key: &[u8], message: &[u8]) -> String {
    const BLOCK: usize = 64;
    let mut padded = [0; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let of = |pad: u8, message: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(padded.map(|byte| byte ^ pad));
        hash.update(message);
        hash.finalize()
    };
    let hash = of(0x5c, &of(0x36, message));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases 1, 2 and 6 of RFC 4231.
    #[test]
    fn signatures_are_those_of_the_standard() {
        for (key, message, expected) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(signature(key, message), expected);
        }
    }

    fn environment() -> Environment {
        let mut environment = Environment::default();
        environment.add_dotenv("KEY=open sesame\nEMPTY=\n").unwrap();
        environment
    }

    fn hook(variable: &str, signature: Option<&str>) -> Hook {
        Hook {
            variable: variable.to_owned(),
            signature: signature.map(str::to_owned),
            timestamp: None,
        }
    }

    #[test]
    fn only_who_knows_the_secret_is_admitted() {
        let signed = format!("sha256={}", signature(b"open sesame", b"{}"));
        for (hook, name, value, expected) in [
            (
                hook("KEY", None),
                "authorization",
                "Bearer open sesame",
                Ok(()),
            ),
            (
                hook("KEY", None),
                "authorization",
                "bearer  open sesame ",
                Ok(()),
            ),
            (
                hook("KEY", None),
                "authorization",
                "Bearer open",
                Err(Refused::Forbidden),
            ),
            (
                hook("KEY", None),
                "authorization",
                "Basic open sesame",
                Err(Refused::Forbidden),
            ),
            (
                hook("KEY", None),
                "x-other",
                "Bearer open sesame",
                Err(Refused::Forbidden),
            ),
            (hook("KEY", Some("x-signed")), "x-signed", &signed, Ok(())),
            (
                hook("KEY", Some("x-signed")),
                "x-signed",
                &signed[7..],
                Ok(()),
            ),
            (
                hook("KEY", Some("x-signed")),
                "x-signed",
                "",
                Err(Refused::Forbidden),
            ),
            (
                hook("KEY", Some("x-signed")),
                "authorization",
                "Bearer open sesame",
                Err(Refused::Forbidden),
            ),
            (
                hook("EMPTY", None),
                "authorization",
                "Bearer ",
                Err(Refused::NoSecret("EMPTY".to_owned())),
            ),
        ] {
            let headers = [(name.to_owned(), value.to_owned())];
            let admitted = hook.admit(&headers, b"{}", &environment(), Timestamp::UNIX_EPOCH);
            let admitted = admitted.map(|_| ());
            assert_eq!(admitted, expected, "{hook:?} {name}: {value}");
        }
    }

    #[test]
    fn a_copy_of_a_call_is_the_same_call_or_none() {
        let hook = Hook {
            timestamp: Some("x-time".to_owned()),
            ..hook("KEY", Some("x-signed"))
        };
        let now: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        let at = now.timestamp();
        let signed = |time: &str| signature(b"open sesame", format!("{time}.{{}}").as_bytes());
        let call = |time: &str, signed: &str, key: &str| {
            let headers = [
                ("x-time", time),
                ("x-signed", signed),
                ("idempotency-key", key),
            ];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            hook.admit(&headers, b"{}", &environment(), now)
        };
        let time = at.to_string();
        let id = call(&time, &signed(&time), "one").unwrap().unwrap();
        assert_eq!(call(&time, &signed(&time), "two"), Ok(Some(id.clone())));
        let later = (at + 1).to_string();
        assert_ne!(call(&later, &signed(&later), "one"), Ok(Some(id)));
        for (time, signature, expected) in [
            ((at - 299).to_string(), None, None),
            ((at - 301).to_string(), None, Some(Refused::OtherTime)),
            ((at + 301).to_string(), None, Some(Refused::OtherTime)),
            ("9".repeat(30), None, Some(Refused::OtherTime)),
            (i64::MIN.to_string(), None, Some(Refused::OtherTime)),
            // The time of now on a call of another.
            (time, Some(signed("1")), Some(Refused::Forbidden)),
            (String::new(), Some(signed("1")), Some(Refused::Forbidden)),
        ] {
            let signature = signature.unwrap_or_else(|| signed(&time));
            assert_eq!(call(&time, &signature, "").err(), expected, "{time}");
        }
        let only = [("x-signed".to_owned(), signature(b"open sesame", b"{}"))];
        let refused = hook.admit(&only, b"{}", &environment(), now);
        assert_eq!(refused, Err(Refused::Forbidden), "no time at all");
    }

    #[test]
    fn a_key_has_an_end() {
        let headers = [
            ("authorization", "Bearer open sesame".to_owned()),
            ("idempotency-key", "k".repeat(256)),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let refused = hook("KEY", None).admit(&headers, b"", &environment(), Timestamp::UNIX_EPOCH);
        assert_eq!(refused, Err(Refused::LongKey));
    }

    #[test]
    fn a_run_sees_the_call_without_its_secrets() {
        let headers = [
            ("authorization", "Bearer open sesame"),
            ("x-signed", "1234"),
            ("content-type", "text/plain"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let detail = hook("KEY", Some("x-signed")).detail(&headers, b"{\"a\": 1.0}");
        assert_eq!(
            Json::Object(detail).to_string(),
            r#"{"body":{"a":1.0},"headers":{"content-type":"text/plain"}}"#
        );
        let detail = hook("KEY", None).detail(&[], b"hello");
        assert_eq!(detail["body"], json!("hello"));
    }
}

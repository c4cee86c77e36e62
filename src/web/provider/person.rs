//! Who somebody is, by the claims of a verified ID token.

use serde_json::{Map as JsonMap, Value as Json};
use sha2::{Digest as _, Sha256};

use crate::spec::SignIn;
use crate::store::Role;
use crate::web::account::hex;

/// The longest name of an account.
const LONGEST: usize = 128;

/// Somebody whom the provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Person {
    /// The issuer, a space, and what it calls them: it is never given to somebody else.
    pub subject: String,
    /// What they are called here. It has an `@`, as no account of our own has.
    pub name: String,
    /// `None`: they may not come in.
    pub role: Option<Role>,
}

/// Why the claims name nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nobody {
    #[error("the provider says that nobody has verified this e-mail address")]
    Unverified,
    #[error("the ID token has no claim `{0}` that is a text")]
    NoName(String),
    #[error("the ID token has no subject")]
    NoSubject,
}

impl Person {
    /// Who the claims are about, and what they may.
    ///
    /// # Errors
    /// [`Nobody`].
    pub(super) fn of(claims: &JsonMap<String, Json>, settings: &SignIn) -> Result<Self, Nobody> {
        let text = |name: &str| claims.get(name).and_then(Json::as_str);
        let subject = text("sub").filter(|subject| !subject.is_empty());
        let subject = subject.ok_or(Nobody::NoSubject)?;
        let issuer = &settings.issuer;
        // Only a provider that says so has seen that the address is theirs.
        let verified = claims.get("email_verified").and_then(Json::as_bool);
        let email = text("email").filter(|_| verified == Some(true));
        let called = match settings.name.as_deref() {
            Some("email") | None if verified == Some(false) && text("email").is_some() => {
                return Err(Nobody::Unverified);
            }
            None => email.map(str::to_owned),
            Some("email") => Some(email.ok_or(Nobody::Unverified)?.to_owned()),
            Some(claim) => {
                let found = find(claims, claim).and_then(Json::as_str);
                let found = found.filter(|name| !name.is_empty());
                Some(
                    found
                        .ok_or_else(|| Nobody::NoName(claim.to_owned()))?
                        .to_owned(),
                )
            }
        };
        let host = issuer.split('/').nth(2).unwrap_or_default();
        let called = called.filter(|name| is_plain(name));
        let name = match called {
            Some(name) if name.contains('@') => name,
            Some(name) => format!("{name}@{host}"),
            None if is_plain(subject) => format!("{subject}@{host}"),
            None => {
                let digest = hex(&Sha256::digest(subject));
                format!("{}@{host}", &digest[..16])
            }
        };
        let values = settings.claims.iter().flat_map(|claim| {
            if claim == "email" {
                return email.into_iter().collect::<Vec<_>>();
            }
            match find(claims, claim) {
                Some(Json::String(text)) => vec![text.as_str()],
                Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
                _ => Vec::new(),
            }
        });
        Ok(Self {
            subject: format!("{issuer} {subject}"),
            role: settings.role(values),
            name,
        })
    }
}

/// A claim by its name, or by its path in others.
fn find<'a>(claims: &'a JsonMap<String, Json>, path: &str) -> Option<&'a Json> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    let mut names = path.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |json, name| json.get(name))
}

/// Whether a text can stand for somebody in lists and logs: nothing that looks like something else.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "@._-+'|".contains(c);
    !name.is_empty() && name.len() <= LONGEST && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(claims: &[&str], name: Option<&str>) -> SignIn {
        SignIn {
            issuer: "https://login.example.org/realms/data".to_owned(),
            client_id: "runner".to_owned(),
            client_secret: None,
            claims: claims.iter().map(|&claim| claim.to_owned()).collect(),
            roles: vec![
                ("readers".to_owned(), Role::Viewer),
                ("team".to_owned(), Role::Operator),
                ("ana@example.org".to_owned(), Role::Admin),
            ],
            name: name.map(str::to_owned),
            label: "Example".to_owned(),
            scopes: Vec::new(),
            session: std::time::Duration::from_hours(12),
            passwords: true,
        }
    }

    #[test]
    fn claims_say_who_somebody_is_and_what_they_may() {
        let named = |name: &str, role| Ok((name.to_owned(), role));
        let mail = "ana@example.org";
        for (claims, of, name, expected) in [
            (json!({}), "roles", None, named("7@login.example.org", None)),
            (
                json!({ "email": mail, "email_verified": true, "roles": ["readers", "team"] }),
                "roles",
                None,
                named(mail, Some(Role::Operator)),
            ),
            (
                json!({ "roles": "readers" }),
                "roles",
                None,
                named("7@login.example.org", Some(Role::Viewer)),
            ),
            (
                json!({ "roles": [["team"], 7, "other"] }),
                "roles",
                None,
                named("7@login.example.org", None),
            ),
            (
                json!({ "a": { "b": ["team"] } }),
                "a.b",
                None,
                named("7@login.example.org", Some(Role::Operator)),
            ),
            (
                json!({ "https://example.org/roles": ["team"] }),
                "https://example.org/roles",
                None,
                named("7@login.example.org", Some(Role::Operator)),
            ),
            // An address that nobody has verified names nobody and gives nothing.
            (
                json!({ "email": mail, "email_verified": false }),
                "email",
                None,
                Err(Nobody::Unverified),
            ),
            (
                json!({ "email": mail, "email_verified": "true" }),
                "email",
                None,
                named("7@login.example.org", None),
            ),
            (
                json!({ "email": mail }),
                "email",
                None,
                named("7@login.example.org", None),
            ),
            (
                json!({ "email": mail }),
                "email",
                Some("email"),
                Err(Nobody::Unverified),
            ),
            (
                json!({ "email": mail, "email_verified": true }),
                "email",
                None,
                named(mail, Some(Role::Admin)),
            ),
            // Called otherwise: never as an account of our own.
            (
                json!({ "nick": "admin", "roles": "team" }),
                "roles",
                Some("nick"),
                named("admin@login.example.org", Some(Role::Operator)),
            ),
            (
                json!({ "nick": 7 }),
                "roles",
                Some("nick"),
                Err(Nobody::NoName("nick".to_owned())),
            ),
            (
                json!({ "nick": "a\u{202e}b\n", "email_verified": true }),
                "roles",
                Some("nick"),
                named("7@login.example.org", None),
            ),
        ] {
            let mut claims = claims.as_object().unwrap().clone();
            claims.insert("sub".to_owned(), json!("7"));
            let person = Person::of(&claims, &settings(&[of], name));
            let person = person.map(|person| {
                assert_eq!(person.subject, "https://login.example.org/realms/data 7");
                (person.name, person.role)
            });
            assert_eq!(person, expected, "{claims:?}");
        }
        let nobody = Person::of(&JsonMap::new(), &settings(&["roles"], None));
        assert_eq!(nobody, Err(Nobody::NoSubject));
        let claims = json!({ "sub": "<script>" });
        let person = Person::of(claims.as_object().unwrap(), &settings(&["roles"], None));
        assert_eq!(person.unwrap().name.len(), 16 + "@login.example.org".len());
    }
}

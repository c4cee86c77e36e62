//! Accounts that end with the process.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::Timestamp;
use crate::store::precision::time;
use crate::store::{Access, AccessKind, Account, AccountStore, Claim, Deed, StoreError};

use super::MemoryStore;

/// Who may come in, and what was done.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_name: BTreeMap<String, Account>,
    accesses: BTreeMap<String, Access>,
    deeds: Vec<Deed>,
    claims: BTreeMap<(String, String), Claim>,
}

impl MemoryStore {
    fn known(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn put_account(&self, account: &Account) -> Result<(), StoreError> {
        let mut known = self.known();
        let taken = |other: &Account| {
            let same_name = other.name == account.name;
            let same_subject = other.subject == account.subject;
            same_name != same_subject && (same_name || account.subject.is_some())
        };
        if known.by_name.values().any(taken) {
            return Err(StoreError::NameTaken(account.name.clone()));
        }
        let before = known.by_name.get(&account.name);
        let created = before.map_or(time(account.created), |before| before.created);
        let kept = Account {
            created,
            ..account.clone()
        };
        known.by_name.insert(account.name.clone(), kept);
        Ok(())
    }

    async fn remove_account(&self, name: &str) -> Result<bool, StoreError> {
        let mut known = self.known();
        known.accesses.retain(|_, access| access.account != name);
        Ok(known.by_name.remove(name).is_some())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.known().by_name.values().cloned().collect())
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.known().by_name.get(name).cloned())
    }

    async fn account_of(&self, subject: &str) -> Result<Option<Account>, StoreError> {
        let known = self.known();
        let mut accounts = known.by_name.values();
        let found = accounts.find(|account| account.subject.as_deref() == Some(subject));
        Ok(found.cloned())
    }

    async fn put_access(&self, access: &Access) -> Result<(), StoreError> {
        let mut known = self.known();
        if !known.by_name.contains_key(&access.account) {
            return Err(StoreError::UnknownAccount(access.account.clone()));
        }
        let now = time(access.created);
        let lives = |access: &Access| access.expires.is_none_or(|expires| expires >= now);
        known.accesses.retain(|_, access| lives(access));
        let kept = Access {
            created: now,
            expires: access.expires.map(time),
            seen: access.seen.map(time),
            ..access.clone()
        };
        known.accesses.insert(access.id.clone(), kept);
        Ok(())
    }

    async fn remove_access(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.known().accesses.remove(id).is_some())
    }

    async fn remove_accesses(&self, account: &str, kind: AccessKind) -> Result<(), StoreError> {
        let other = |access: &Access| access.account != account || access.kind != kind;
        self.known().accesses.retain(|_, access| other(access));
        Ok(())
    }

    async fn access(&self, id: &str) -> Result<Option<(Access, Account)>, StoreError> {
        let known = self.known();
        let found = known.accesses.get(id);
        let both = found.and_then(|access| {
            let account = known.by_name.get(&access.account)?;
            Some((access.clone(), account.clone()))
        });
        Ok(both)
    }

    async fn accesses(
        &self,
        kind: AccessKind,
        account: Option<&str>,
    ) -> Result<Vec<Access>, StoreError> {
        let known = self.known();
        let all = known.accesses.values();
        let of = |access: &&Access| account.is_none_or(|account| access.account == account);
        let found = all.filter(|access| access.kind == kind).filter(of);
        let mut found: Vec<Access> = found.cloned().collect();
        found.sort_by_key(|access| std::cmp::Reverse(access.created));
        Ok(found)
    }

    async fn see_access(
        &self,
        id: &str,
        at: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if let Some(access) = self.known().accesses.get_mut(id) {
            access.seen = Some(time(at));
            access.expires = expires.map(time).or(access.expires);
        }
        Ok(())
    }

    async fn add_deed(&self, deed: &Deed) -> Result<(), StoreError> {
        let mut known = self.known();
        let number = known.deeds.last().map_or(1, |last| last.number + 1);
        known.deeds.push(Deed {
            number,
            at: time(deed.at),
            ..deed.clone()
        });
        Ok(())
    }

    async fn deeds(&self, before: Option<i64>, limit: u32) -> Result<Vec<Deed>, StoreError> {
        let known = self.known();
        let earlier = known.deeds.iter().rev();
        let earlier = earlier.filter(|deed| before.is_none_or(|before| deed.number < before));
        Ok(earlier.take(limit as usize).cloned().collect())
    }

    async fn claim(&self, claim: &Claim, forget: Timestamp) -> Result<Claim, StoreError> {
        let mut known = self.known();
        let forget = time(forget);
        known.claims.retain(|_, claim| claim.at >= forget);
        let key = (claim.account.clone(), claim.key.clone());
        let kept = Claim {
            at: time(claim.at),
            ..claim.clone()
        };
        Ok(known.claims.entry(key).or_insert(kept).clone())
    }
}

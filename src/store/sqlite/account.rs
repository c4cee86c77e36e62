//! Accounts: their SQL.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::Timestamp;
use crate::store::words::{micros, moment};
use crate::store::{
    Access, AccessKind, Account, AccountStore, Claim, Deed, Role, Scope, SqliteStore, StoreError,
};

use super::order::{Order, Reply, Trouble};
use super::row::get;

/// Something to write about accounts.
#[derive(Debug)]
pub(super) enum Entry {
    PutAccount(Account),
    RemoveAccount(String),
    PutAccess(Access),
    RemoveAccess(String),
    RemoveAccesses(String, AccessKind),
    See {
        id: String,
        at: Timestamp,
        expires: Option<Timestamp>,
    },
    Deed(Deed),
    Claim(Claim, Timestamp),
}

const PUT_ACCOUNT: &str = "
INSERT INTO account (name, role, password, created, subject)
SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (
  SELECT 1 FROM account WHERE subject = $5 AND subject IS NOT NULL AND name <> $1)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password
WHERE account.subject IS excluded.subject";
const REMOVE_ACCOUNT: &str = "DELETE FROM account WHERE name = $1";
const ACCOUNTS: &str = "SELECT name, role, password, created, subject FROM account ORDER BY name";
const ACCOUNT: &str = "SELECT name, role, password, created, subject FROM account WHERE name = $1";
const ACCOUNT_OF: &str = "
SELECT name, role, password, created, subject FROM account
WHERE subject = $1 AND subject IS NOT NULL";

const FORGET_EXPIRED: &str = "DELETE FROM access WHERE expires < $1 AND expires IS NOT NULL";
const PUT_ACCESS: &str = "
INSERT INTO access (id, kind, account, label, scopes, hash, created, expires, seen)
SELECT $1, $2, name, $4, $5, $6, $7, $8, $9 FROM account WHERE name = $3";
const REMOVE_ACCESS: &str = "DELETE FROM access WHERE id = $1";
const REMOVE_ACCESSES: &str = "DELETE FROM access WHERE account = $1 AND kind = $2";
const ACCESS: &str = "
SELECT access.id, access.kind, access.account, access.label, access.scopes, access.hash,
  access.created, access.expires, access.seen,
  account.name, account.role, account.password, account.created, account.subject
FROM access JOIN account ON account.name = access.account
WHERE access.id = $1";
const ACCESSES: &str = "
SELECT id, kind, account, label, scopes, hash, created, expires, seen
FROM access WHERE kind = $1 AND ($2 IS NULL OR account = $2)
ORDER BY created DESC, id";
const SEE: &str = "UPDATE access SET seen = $2, expires = coalesce($3, expires) WHERE id = $1";

const ADD_DEED: &str = "
INSERT INTO deed (at, account, via, address, action, target, status, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const DEEDS: &str = "
SELECT number, at, account, via, address, action, target, status, detail
FROM deed WHERE number < $1 ORDER BY number DESC LIMIT $2";

const FORGET_CLAIMS: &str = "DELETE FROM claim WHERE at < $1";
const ADD_CLAIM: &str = "
INSERT INTO claim (account, key, fingerprint, run, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account, key) DO NOTHING";
const CLAIM: &str = "
SELECT account, key, fingerprint, run, at FROM claim WHERE account = $1 AND key = $2";

/// All texts, for the test that asks for their plans.
#[cfg(test)]
pub(super) const TEXTS: [&str; 17] = [
    PUT_ACCOUNT,
    REMOVE_ACCOUNT,
    ACCOUNTS,
    ACCOUNT,
    ACCOUNT_OF,
    FORGET_EXPIRED,
    PUT_ACCESS,
    REMOVE_ACCESS,
    REMOVE_ACCESSES,
    ACCESS,
    ACCESSES,
    SEE,
    ADD_DEED,
    DEEDS,
    FORGET_CLAIMS,
    ADD_CLAIM,
    CLAIM,
];

pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    entry: &Entry,
) -> Result<Reply, Trouble> {
    let query = match entry {
        Entry::PutAccount(account) => return put_account(connection, account).await,
        Entry::RemoveAccount(name) => sqlx::query(REMOVE_ACCOUNT).bind(name),
        Entry::PutAccess(access) => return put_access(connection, access).await,
        Entry::RemoveAccess(id) => sqlx::query(REMOVE_ACCESS).bind(id),
        Entry::RemoveAccesses(account, kind) => sqlx::query(REMOVE_ACCESSES)
            .bind(account)
            .bind(kind.as_str()),
        Entry::See { id, at, expires } => sqlx::query(SEE)
            .bind(id)
            .bind(micros(*at))
            .bind(expires.map(micros)),
        Entry::Deed(deed) => sqlx::query(ADD_DEED)
            .bind(micros(deed.at))
            .bind(&deed.account)
            .bind(&deed.via)
            .bind(&deed.address)
            .bind(&deed.action)
            .bind(&deed.target)
            .bind(deed.status)
            .bind(&deed.detail),
        Entry::Claim(claim, forget) => return put_claim(connection, claim, *forget).await,
    };
    let done = query.execute(connection).await?;
    Ok(Reply::Taken(done.rows_affected() > 0))
}

async fn put_account(
    connection: &mut SqliteConnection,
    account: &Account,
) -> Result<Reply, Trouble> {
    let done = sqlx::query(PUT_ACCOUNT)
        .bind(&account.name)
        .bind(account.role.as_str())
        .bind(&account.password)
        .bind(micros(account.created))
        .bind(&account.subject)
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        let name = account.name.clone();
        return Err(Trouble::Refused(StoreError::NameTaken(name)));
    }
    Ok(Reply::Taken(true))
}

async fn put_access(connection: &mut SqliteConnection, access: &Access) -> Result<Reply, Trouble> {
    sqlx::query(FORGET_EXPIRED)
        .bind(micros(access.created))
        .execute(&mut *connection)
        .await?;
    let scopes = access.scopes.as_ref().map(|scopes| {
        let words = scopes.iter().map(|scope| format!("\"{}\"", scope.as_str()));
        format!("[{}]", words.collect::<Vec<_>>().join(","))
    });
    let done = sqlx::query(PUT_ACCESS)
        .bind(&access.id)
        .bind(access.kind.as_str())
        .bind(&access.account)
        .bind(&access.label)
        .bind(scopes)
        .bind(&access.hash)
        .bind(micros(access.created))
        .bind(access.expires.map(micros))
        .bind(access.seen.map(micros))
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        let account = access.account.clone();
        return Err(Trouble::Refused(StoreError::UnknownAccount(account)));
    }
    Ok(Reply::Taken(true))
}

async fn put_claim(
    connection: &mut SqliteConnection,
    claim: &Claim,
    forget: Timestamp,
) -> Result<Reply, Trouble> {
    sqlx::query(FORGET_CLAIMS)
        .bind(micros(forget))
        .execute(&mut *connection)
        .await?;
    sqlx::query(ADD_CLAIM)
        .bind(&claim.account)
        .bind(&claim.key)
        .bind(&claim.fingerprint)
        .bind(&claim.run)
        .bind(micros(claim.at))
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query(CLAIM)
        .bind(&claim.account)
        .bind(&claim.key)
        .fetch_one(connection)
        .await?;
    Ok(Reply::Claimed(Claim {
        account: get(&row, 0)?,
        key: get(&row, 1)?,
        fingerprint: get(&row, 2)?,
        run: get(&row, 3)?,
        at: time(get(&row, 4)?)?,
    }))
}

impl SqliteStore {
    async fn enter(&self, entry: Entry) -> Result<Reply, StoreError> {
        self.write(Order::OfAccount { entry }).await
    }

    /// Writes, and says whether there was anything to change.
    async fn change(&self, entry: Entry) -> Result<bool, StoreError> {
        Ok(matches!(self.enter(entry).await?, Reply::Taken(true)))
    }
}

#[async_trait]
impl AccountStore for SqliteStore {
    async fn put_account(&self, account: &Account) -> Result<(), StoreError> {
        let entry = Entry::PutAccount(account.clone());
        self.enter(entry).await.map(|_| ())
    }

    async fn remove_account(&self, name: &str) -> Result<bool, StoreError> {
        self.change(Entry::RemoveAccount(name.to_owned())).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let rows = self.rows(sqlx::query(ACCOUNTS)).await?;
        rows.iter().map(|row| account(row, 0)).collect()
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let found = self.row(sqlx::query(ACCOUNT).bind(name)).await?;
        found.as_ref().map(|row| account(row, 0)).transpose()
    }

    async fn account_of(&self, subject: &str) -> Result<Option<Account>, StoreError> {
        let found = self.row(sqlx::query(ACCOUNT_OF).bind(subject)).await?;
        found.as_ref().map(|row| account(row, 0)).transpose()
    }

    async fn put_access(&self, access: &Access) -> Result<(), StoreError> {
        let entry = Entry::PutAccess(access.clone());
        self.enter(entry).await.map(|_| ())
    }

    async fn remove_access(&self, id: &str) -> Result<bool, StoreError> {
        self.change(Entry::RemoveAccess(id.to_owned())).await
    }

    async fn remove_accesses(&self, account: &str, kind: AccessKind) -> Result<(), StoreError> {
        let entry = Entry::RemoveAccesses(account.to_owned(), kind);
        self.enter(entry).await.map(|_| ())
    }

    async fn access(&self, id: &str) -> Result<Option<(Access, Account)>, StoreError> {
        let found = self.row(sqlx::query(ACCESS).bind(id)).await?;
        found
            .as_ref()
            .map(|row| Ok((access(row)?, account(row, 9)?)))
            .transpose()
    }

    async fn accesses(
        &self,
        kind: AccessKind,
        account: Option<&str>,
    ) -> Result<Vec<Access>, StoreError> {
        let query = sqlx::query(ACCESSES).bind(kind.as_str()).bind(account);
        self.rows(query).await?.iter().map(access).collect()
    }

    async fn see_access(
        &self,
        id: &str,
        at: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        let entry = Entry::See { id, at, expires };
        self.enter(entry).await.map(|_| ())
    }

    async fn add_deed(&self, deed: &Deed) -> Result<(), StoreError> {
        self.enter(Entry::Deed(deed.clone())).await.map(|_| ())
    }

    async fn deeds(&self, before: Option<i64>, limit: u32) -> Result<Vec<Deed>, StoreError> {
        let query = sqlx::query(DEEDS)
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit);
        self.rows(query).await?.iter().map(deed).collect()
    }

    async fn claim(&self, claim: &Claim, forget: Timestamp) -> Result<Claim, StoreError> {
        match self.enter(Entry::Claim(claim.clone(), forget)).await? {
            Reply::Claimed(holds) => Ok(holds),
            _ => Ok(claim.clone()),
        }
    }
}

fn time(micros: i64) -> Result<Timestamp, StoreError> {
    moment(micros).ok_or_else(|| StoreError::Corrupt(format!("`{micros}` is not a time")))
}

fn times(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(time).transpose()
}

/// An account whose columns begin at `at`.
fn account(row: &SqliteRow, at: usize) -> Result<Account, StoreError> {
    let role: &str = get(row, at + 1)?;
    Ok(Account {
        name: get(row, at)?,
        role: Role::of(role).ok_or_else(|| StoreError::Corrupt(format!("`{role}` is no role")))?,
        password: get(row, at + 2)?,
        created: time(get(row, at + 3)?)?,
        subject: get(row, at + 4)?,
    })
}

fn access(row: &SqliteRow) -> Result<Access, StoreError> {
    let kind: &str = get(row, 1)?;
    let kind = AccessKind::ALL.into_iter().find(|one| one.as_str() == kind);
    let scopes: Option<&str> = get(row, 4)?;
    let scopes = scopes.map(|text| {
        let words: Vec<String> = serde_json::from_str(text)
            .map_err(|error| StoreError::Corrupt(format!("scopes of an access: {error}")))?;
        // A word that this program doesn't know allows nothing.
        let scopes: Vec<Scope> = words.iter().filter_map(|word| Scope::of(word)).collect();
        Ok::<_, StoreError>(scopes)
    });
    Ok(Access {
        id: get(row, 0)?,
        kind: kind.ok_or_else(|| StoreError::Corrupt("an unknown kind of access".to_owned()))?,
        account: get(row, 2)?,
        label: get(row, 3)?,
        scopes: scopes.transpose()?,
        hash: get(row, 5)?,
        created: time(get(row, 6)?)?,
        expires: times(get(row, 7)?)?,
        seen: times(get(row, 8)?)?,
    })
}

fn deed(row: &SqliteRow) -> Result<Deed, StoreError> {
    Ok(Deed {
        number: get(row, 0)?,
        at: time(get(row, 1)?)?,
        account: get(row, 2)?,
        via: get(row, 3)?,
        address: get(row, 4)?,
        action: get(row, 5)?,
        target: get(row, 6)?,
        status: u16::try_from(get::<i64>(row, 7)?).unwrap_or_default(),
        detail: get(row, 8)?,
    })
}

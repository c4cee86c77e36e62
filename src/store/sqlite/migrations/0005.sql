-- Who may come in by pages and API, and what was done there.
CREATE TABLE account (
  name     TEXT NOT NULL PRIMARY KEY,
  role     TEXT NOT NULL,
  password TEXT, -- argon2id as a PHC string; NULL: only links and tokens let in
  created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sessions, tokens and links: of the secret that opens only the hash is kept.
CREATE TABLE access (
  id      TEXT NOT NULL PRIMARY KEY,
  kind    TEXT NOT NULL,
  account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
  label   TEXT NOT NULL,
  scopes  TEXT, -- JSON array of words; NULL: all that the account may
  hash    TEXT NOT NULL, -- SHA-256, 64 hexadecimal digits
  created INTEGER NOT NULL,
  expires INTEGER, -- NULL: never
  seen    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX access_of_kind ON access (kind, created);
CREATE INDEX access_of_account ON access (account);
CREATE INDEX access_expires ON access (expires) WHERE expires IS NOT NULL;

-- What was done, by whom. It outlives whom it is about.
CREATE TABLE deed (
  number  INTEGER PRIMARY KEY AUTOINCREMENT,
  at      INTEGER NOT NULL,
  account TEXT NOT NULL,
  via     TEXT NOT NULL,
  address TEXT NOT NULL,
  action  TEXT NOT NULL,
  target  TEXT NOT NULL,
  status  INTEGER NOT NULL,
  detail  TEXT NOT NULL
) STRICT;

-- Runs that were asked for with a key: the same key gives the same run.
CREATE TABLE claim (
  account     TEXT NOT NULL,
  key         TEXT NOT NULL,
  fingerprint TEXT NOT NULL, -- SHA-256 of what was asked
  run         TEXT NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_of_time ON claim (at);

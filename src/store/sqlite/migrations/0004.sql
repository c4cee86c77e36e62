-- Runs that are gone, and that databases which were loaded into may still know of.
CREATE TABLE removed (
  run TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

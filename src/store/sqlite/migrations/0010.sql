-- Who comes in by a provider that knows them: its address and what it calls them. NULL: accounts of
-- our own. Whoever has a name keeps it, and no other account is ever taken for theirs.
ALTER TABLE account ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX account_of_subject ON account (subject) WHERE subject IS NOT NULL;

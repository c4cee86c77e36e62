-- What the runs of a day have seen, to find the largest.
create table if not exists spread (
    run text, book text, observed_at text, spread real,
    primary key (run, book, observed_at)
);
delete from spread where observed_at < {{ run.logical_time | shift('-1d') }};

//! The task kind `kafka` and topics as ends of copies, on a real broker and a real PostgreSQL.

mod consume;
mod dead_letters;
mod ends;

mod moments;
mod produce;
mod rebalances;
mod sharing;
mod stage;
mod transactions;

//! The task kind `kafka` and topics as ends of copies, on a real broker and a real PostgreSQL.

mod consume;
mod dead_letters;
mod ends;

mod produce;
mod sharing;
mod stage;

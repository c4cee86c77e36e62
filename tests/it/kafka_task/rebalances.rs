//! Partitions that come and go in the middle of a batch.

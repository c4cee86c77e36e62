//! Integration tests: one binary, one module for each room of the house.

mod store;

//! End-to-end tests: firmware, virtual board and real clients.

pub mod fixtures;

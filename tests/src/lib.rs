//! End-to-end tests: firmware, virtual board and real clients.

pub mod archive;
pub mod budgets;
pub mod fixtures;
pub mod glitch;
pub mod needs;
pub use surefoot_demo::rig;
pub mod rules;
pub mod serial;
pub mod sweep;

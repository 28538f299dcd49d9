//! The surefoot command: one verb per job.
fn main() {}

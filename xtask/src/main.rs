//! Build, size, sweep, clients and demo.
fn main() {}

//! The host library from outside: files, images, links and jobs.
mod common;
mod external;
mod fake;
mod files;
mod image;
mod inputs;
mod job;
mod keys;
/// What tests need from the machine, as the tests of the whole product know it.
#[allow(dead_code, reason = "not everything that it knows is needed here")]
#[path = "../../../tests/src/needs.rs"]
mod needs;
mod odd_elfs;
mod protocol;
mod slots;

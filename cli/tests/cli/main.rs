//! The command from outside: exit codes, error objects, and the whole way on a virtual board.
mod bad_input;
mod bench;
mod demo;
mod inputs;
mod layouts;
/// What tests need from the machine, as the tests of the whole product know it.
#[allow(dead_code, reason = "not everything that it knows is needed here")]
#[path = "../../../tests/src/needs.rs"]
mod needs;
mod orders;
#[cfg(unix)]
mod pipes;
mod production;
mod protect;
mod running;
#[cfg(unix)]
mod served;
mod signing;
mod sim_run;
mod slots;
mod starting;
mod trust;
mod virtual_board;
mod wording;

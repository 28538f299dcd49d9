//! The command from outside: exit codes, error objects, and the whole way on a virtual board.
mod bad_input;
mod bench;
mod layouts;
mod orders;
mod protect;
#[cfg(unix)]
mod served;
mod signing;
mod slots;
mod virtual_board;

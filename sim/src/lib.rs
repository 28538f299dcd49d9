//! The virtual board: the shipped ARM binary runs on it, register by register.

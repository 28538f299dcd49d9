//! The firmware binaries, built from the firmware workspace and embedded.

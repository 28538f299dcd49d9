//! Board file and chip data to a checked layout, configuration block and linker scripts.
